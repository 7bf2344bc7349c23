"""A Keras model config (Keras 2 and Keras 3, Sequential and functional, nested) as a list of layers, without Keras.

The config comes from a file, so nothing in it is trusted: its nesting, the number of layer calls and every size are
bounded, and a contradiction is a `ModelFileError` that names the layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgecompress.errors import ModelFileError, UnsupportedModelError
from edgecompress.formats.keras.walk import MODELS, ConfigLayer, Walk, layers_config
from edgecompress.values import TensorSpec

MAX_NESTING = 200  # levels of lists and dicts; one nested model takes four
MAX_VALUES = 5_000_000
MAX_COUNT = 2**63 - 1


@dataclass(frozen=True)
class ConfigSummary:
    """A model config: its inputs, outputs and layers in the order of the config."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layers: tuple[ConfigLayer, ...]


def summarize_config(config: dict[str, Any]) -> ConfigSummary:
    """Infer shapes and counts of every layer of a model config, as `formats.summary` defines them.

    Args:
        config: `{"class_name": ..., "config": ...}` as files hold it, or what `model.get_config()` returns.

    Raises:
        ModelFileError: the config is damaged, contradicts itself or exceeds a bound.
        UnsupportedModelError: the model is of a class of its own, so that its layers are not in the config.
    """
    check_bounds(config)
    kind, inner = _model_parts(config)
    walk = Walk()
    outputs = walk.run(kind, inner)
    layers = tuple(layer for _, layer in sorted(walk.layers.items()))
    for layer in layers:
        summary = layer.summary
        if max(summary.parameters, summary.multiply_adds, *summary.output_shape) > MAX_COUNT:
            raise ModelFileError(f"Layer {summary.name!r} has sizes that no machine can hold.")
    return ConfigSummary(str(inner.get("name", "")), tuple(walk.inputs), outputs, layers)


def check_bounds(config: Any) -> None:
    """Refuse a config that is nested too deeply, or holds too many values, to be walked safely."""
    level, count = [config], 0
    for _ in range(MAX_NESTING):
        level = [
            child
            for value in level
            if isinstance(value, dict | list | tuple)
            for child in (value.values() if isinstance(value, dict) else value)
        ]
        count += len(level)
        if count > MAX_VALUES:
            raise ModelFileError(f"The model config holds more than {MAX_VALUES} values.")
        if not level:
            return
    raise ModelFileError(f"The model config is nested more than {MAX_NESTING} levels deep.")


def _model_parts(config: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(config, dict):
        raise ModelFileError(f"The model config is a {type(config).__name__}, not an object.")
    if "class_name" not in config and "layers" in config:
        return ("Functional" if "output_layers" in config else "Sequential"), layers_config(config)
    kind = config.get("class_name")
    if not isinstance(kind, str) or "config" not in config:
        raise ModelFileError("The model config has no class_name and config.")
    if kind not in MODELS:
        raise UnsupportedModelError(
            f"The model is of the class {kind[:100]!r}; a Functional or Sequential model was expected.",
            hint="Rebuild it as a functional model, copy the weights over with set_weights, and save that.",
        )
    return kind, layers_config(config["config"])
