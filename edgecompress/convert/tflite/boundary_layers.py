"""The layers of a binary network that are not binary, its first and last, in int8."""

from __future__ import annotations

import re

import numpy as np

from edgecompress.convert.targets import Target
from edgecompress.convert.tflite.editor import Editor
from edgecompress.convert.tflite.post_training import Calibration, layer_pattern, quantize
from edgecompress.formats.tflite.file import parse_graph

KERNELS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def with_float_weights(content: bytes) -> bytes:
    """Return the file with float weights, of the same numbers, where int8 ones stand beside float activations."""
    editor = Editor(content)
    for operator in editor.graph.operators:
        if editor.kind(operator) not in KERNELS or not editor.is_float(operator.inputs[0]):
            continue
        weights, tensor = editor.constant(operator.inputs[1]), editor.graph.tensors[operator.inputs[1]]
        if weights is None or weights.dtype != np.int8 or tensor.quantization is None:
            continue
        shape = [1] * weights.ndim
        scale = np.asarray(tensor.quantization.scale, np.float32)
        shape[int(tensor.quantization.quantizedDimension)] = len(scale)
        name = f"{editor.name(operator.inputs[1])}_float"
        operator.inputs[1] = editor.add_constant(name, weights.astype(np.float32) * scale.reshape(shape))
    return editor.content()


def quantize_boundary_layers(
    content: bytes, binary: tuple[str, ...], *, calibration: Calibration | None, keep_float: str = ""
) -> bytes:
    """Return the float file with every convolution and dense layer in int8, but those that compute `binary` tensors.

    Without calibration inputs, weights are int8 and activations are quantized while running. Layers that match
    `keep_float` stay float, and all do in a file with custom operators.

    Raises:
        ConversionError: ai-edge-quantizer refuses the model.
    """
    graph = parse_graph(content)
    if any(operator.kind == "CUSTOM" for operator in graph.operators):  # which the quantizer would have to run
        return content
    kept = "|".join([*(re.escape(name) for name in binary), *filter(None, [keep_float])])
    ends = [
        operator
        for operator in graph.operators
        if operator.kind in KERNELS
        and not (kept and re.match(layer_pattern(kept), graph.tensors[operator.outputs[0]].name))
    ]
    if not ends:
        return content
    target = Target("tflite", "dynamic" if calibration is None else "int8")
    return quantize(content, target, calibration=calibration, keep_float=kept, operators=KERNELS)
