"""Resizing images."""

from __future__ import annotations

from edgecompress.convert.onnx.emission import Emission
from edgecompress.convert.onnx.litert.rounding import INTERPOLATION_SCALE
from edgecompress.formats.tflite.graph import Operator


def resize_nearest(emission: Emission, operator: Operator) -> None:
    """RESIZE_NEAREST_NEIGHBOR: the pixel below; with half pixels or aligned corners the nearest, halves up."""
    transform = _transform(operator)
    nearest = "floor" if transform == "asymmetric" else "round_prefer_ceil"
    value = emission.stored(operator.inputs[0], nchw=True)
    value = _resized(emission, operator, value, mode="nearest", nearest_mode=nearest)
    emission.store(operator.outputs[0], value, nchw=True)


def resize_bilinear(emission: Emission, operator: Operator) -> None:
    """RESIZE_BILINEAR; quantized tensors are interpolated as codes, whose halves go up.

    ONNX Runtime moves a Transpose from in front of a Resize behind it, and then refuses to interpolate between channels
    and one axis of an image. One axis at a time is taken wherever it lies.
    """
    source, output = operator.inputs[0], operator.outputs[0]
    value = emission.stored(source, nchw=True)
    if emission.is_quantized(output):
        value = emission.decode(value, source, scale=1, zero_point=0)
    if any(each.kind == "TRANSPOSE" for each in emission.graph.operators):
        value = _resized(emission, operator, value, mode="linear", width=emission.tensor(source).shape[2])
    value = _resized(emission, operator, value, mode="linear")
    if emission.is_quantized(output):
        value = emission.encode(value, output, scale=INTERPOLATION_SCALE, zero_point=0)
    emission.store(output, value, nchw=True)


def _resized(emission: Emission, operator: Operator, value: str, *, width: int | None = None, **attributes: str) -> str:
    """The value in the size of the output, or in its height and another width."""
    batch, height, own_width, channels = emission.tensor(operator.outputs[0]).shape
    sizes = emission.integers(batch, channels, height, own_width if width is None else width)
    transform = _transform(operator)
    return emission.node("Resize", value, "", "", sizes, coordinate_transformation_mode=transform, **attributes)


def _transform(operator: Operator) -> str:
    """Where pixel i of the output lies in the input.

    asymmetric: i * in / out; half_pixel: (i + 1/2) * in / out - 1/2; align_corners: i * (in - 1) / (out - 1).
    """
    if operator.options["align_corners"]:
        return "align_corners"
    return "half_pixel" if operator.options["half_pixel_centers"] else "asymmetric"
