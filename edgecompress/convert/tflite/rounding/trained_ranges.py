"""What a model of Keras 3 that was trained with rounding says of the int8 file that is to be made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from edgecompress.keras_bridge.graph import copy_model, replay
from edgecompress.keras_bridge.native import NativeModel
from edgecompress.keras_types import Model
from edgecompress.tfmot.native import native


@dataclass(frozen=True)
class TrainedRanges:
    """The ranges of a file's tensors, by their names in the float TFLite file, and the layers that stay float."""

    ranges: dict[str, tuple[float, float]]
    keep_float: str  # a pattern of layer names


def trained_ranges(model: Model) -> TrainedRanges | None:
    """Return what the layers of a model say; None where it has none that rounds, as one of TF-MOT's."""
    from edgecompress.layers.rounding.activation_range import ActivationRange, FileRecord

    layers = native(model).layers
    ranges = {layer.tensor: layer.range for layer in layers if isinstance(layer, ActivationRange)}
    if not ranges:
        return None
    records = [layer for layer in layers if isinstance(layer, FileRecord)]
    inner = {name: ends for record in records for name, ends in record.inner_ranges.items()}
    kept = dict.fromkeys(name for record in records for name in record.kept_float)
    return TrainedRanges(inner | ranges, "|".join(map(re.escape, kept)))


def without_rounding(model: Model | NativeModel) -> Model:
    """Return a copy of a model of Keras 3 that computes in float what was rounded, and with what was split rejoined.

    Kernels stay as they are, rounded.
    """
    from edgecompress.layers.rounding.activation_range import ActivationRange, FileRecord
    from edgecompress.layers.rounding.split_activation import SplitActivation

    copy = copy_model(model.keras_model if isinstance(model, NativeModel) else model)
    functions = {layer.of: layer.activation for layer in copy.layers if isinstance(layer, SplitActivation)}

    def substitute(layer: Any, prefix: str) -> Any:
        if isinstance(layer, ActivationRange | FileRecord | SplitActivation):
            return lambda inputs: inputs
        if layer.name in functions:
            layer.activation = functions[layer.name]
        return layer

    return replay(copy, substitute)
