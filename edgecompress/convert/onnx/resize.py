"""Resizing images."""

from __future__ import annotations

from edgecompress.convert.onnx.emission import Emission
from edgecompress.convert.onnx.litert_rounding import INTERPOLATION_SCALE
from edgecompress.formats.tflite_graph import Operator


def resize_nearest(emission: Emission, operator: Operator) -> None:
    """RESIZE_NEAREST_NEIGHBOR: the pixel below; with half pixels or aligned corners the nearest, halves up."""
    transform = _transform(operator)
    nearest = "floor" if transform == "asymmetric" else "round_prefer_ceil"
    value = emission.stored(operator.inputs[0], nchw=True)
    value = _resized(emission, operator, value, mode="nearest", nearest_mode=nearest)
    emission.store(operator.outputs[0], value, nchw=True)


def resize_bilinear(emission: Emission, operator: Operator) -> None:
    """RESIZE_BILINEAR; quantized tensors are interpolated as codes, whose halves go up."""
    source, output = operator.inputs[0], operator.outputs[0]
    value = emission.stored(source, nchw=True)
    if emission.is_quantized(output):
        value = emission.decode(value, source, scale=1, zero_point=0)
        value = _resized(emission, operator, value, mode="linear")
        value = emission.encode(value, output, scale=INTERPOLATION_SCALE, zero_point=0)
    else:
        value = _resized(emission, operator, value, mode="linear")
    emission.store(output, value, nchw=True)


def _resized(emission: Emission, operator: Operator, value: str, **attributes: str) -> str:
    batch, height, width, channels = emission.tensor(operator.outputs[0]).shape
    sizes = emission.integers(batch, channels, height, width)
    transform = _transform(operator)
    return emission.node("Resize", value, "", "", sizes, coordinate_transformation_mode=transform, **attributes)


def _transform(operator: Operator) -> str:
    """Where pixel i of the output lies in the input.

    asymmetric: i * in / out; half_pixel: (i + 1/2) * in / out - 1/2; align_corners: i * (in - 1) / (out - 1).
    """
    if operator.options["align_corners"]:
        return "align_corners"
    return "half_pixel" if operator.options["half_pixel_centers"] else "asymmetric"
