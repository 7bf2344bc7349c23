"""What is known of the options of layers that both Kerases have, for the translations both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PLAIN_TYPES = ("int", "uint", "bool")  # dtype policies, beside float32


@dataclass(frozen=True)
class Rule:
    """What is known of a class of layers: every key of its config is in one of the four, or it is refused."""

    same: tuple[str, ...] = ()  # mean the same in Keras 2
    only: Mapping[str, object] = field(default_factory=dict)  # understood at this value alone, and left out
    renamed: Mapping[str, str] = field(default_factory=dict)  # mean the same by another name
    without_effect: tuple[str, ...] = ()  # once the layer is trained
    calls: tuple[str, ...] = ()  # keyword arguments that a call may have; `training` is nothing at inference


def rule(same: str = "", *, without_effect: str = "", calls: str = "", **more: Any) -> Rule:
    """Return a rule from words."""
    return Rule(tuple(same.split()), without_effect=tuple(without_effect.split()), calls=tuple(calls.split()), **more)


WINDOW = "kernel_size strides padding data_format dilation_rate activation use_bias"
STEPS = "return_sequences return_state go_backwards unroll"

# Layers whose options mean the same in both; augmentation and what only trains are in the tables of each.
IN_BOTH: dict[str, Rule] = {
    "Activation": rule("activation"),
    "Identity": rule(),
    **{f"Conv{n}D": rule(f"filters groups {WINDOW}") for n in (1, 2, 3)},
    **{
        f"{kind}Pooling{n}D": rule("pool_size strides padding data_format")
        for kind in ("Max", "Average")
        for n in (1, 2, 3)
    },
    **{f"Global{kind}Pooling{n}D": rule("data_format keepdims") for kind in ("Max", "Average") for n in (1, 2, 3)},
    "GroupNormalization": rule("groups axis epsilon center scale"),
    "UnitNormalization": rule("axis"),
    "Rescaling": rule("scale offset"),
    "ReLU": rule("max_value negative_slope threshold"),
    "PReLU": rule("shared_axes"),
    "ELU": rule("alpha"),
    "Softmax": rule("axis"),
    "Flatten": rule("data_format"),
    "Reshape": rule("target_shape"),
    "Permute": rule("dims"),
    "RepeatVector": rule("n"),
    "ZeroPadding2D": rule("padding data_format"),
    "ZeroPadding3D": rule("padding data_format"),
    "Cropping1D": rule("cropping"),
    "Cropping2D": rule("cropping data_format"),
    "Cropping3D": rule("cropping data_format"),
    "UpSampling1D": rule("size"),
    "UpSampling2D": rule("size data_format interpolation"),
    "UpSampling3D": rule("size data_format"),
    **{kind: rule() for kind in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")},
    "Concatenate": rule("axis"),
    "Dot": rule("axes normalize"),
    "StackedRNNCells": rule(without_effect="cells"),  # they are made by `_inside` of each translation
    "TimeDistributed": rule(without_effect="layer"),
    "CategoryEncoding": rule("num_tokens output_mode", only={"sparse": False}),
    "Hashing": rule("num_bins mask_value salt output_mode", only={"sparse": False}),
    # Of training alone, but both have them, and a translated network may be trained.
    "Dropout": rule("rate noise_shape", without_effect="seed"),
    "GaussianDropout": rule("rate", without_effect="seed"),
    "GaussianNoise": rule("stddev", without_effect="seed"),
    "ActivityRegularization": rule("l1 l2"),
}
RECURRENT = (
    "LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "LSTMCell", "GRUCell", "SimpleRNNCell",
)  # fmt: skip
# Where a layer keeps those inside it: by the argument that takes them, the attribute that has them.
INSIDE: dict[str, dict[str, str]] = {
    "RNN": {"cell": "cell"},
    "StackedRNNCells": {"cells": "cells"},
    "Bidirectional": {"layer": "forward_layer", "backward_layer": "backward_layer"},
    "TimeDistributed": {"layer": "layer"},
}
