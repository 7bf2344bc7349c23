"""Resizing images."""

from __future__ import annotations

from edgecompress.convert.onnx.emission import Emission
from edgecompress.convert.onnx.fused_activation import store_result
from edgecompress.formats.tflite_graph import Operator


def resize(emission: Emission, operator: Operator) -> None:
    """RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR.

    Source coordinate of pixel i: i * in / out, (i + 1/2) * in / out - 1/2 (half_pixel_centers) or
    i * (in - 1) / (out - 1) (align_corners); the nearest pixel is the one below for the first, else halves go up.
    """
    source, output = operator.inputs[0], operator.outputs[0]
    _, height, width, channels = emission.tensor(output).shape
    align, half = operator.options["align_corners"], operator.options["half_pixel_centers"]
    transform = "align_corners" if align else "half_pixel" if half else "asymmetric"
    nearest = operator.kind == "RESIZE_NEAREST_NEIGHBOR"
    attributes = {"mode": "nearest" if nearest else "linear", "coordinate_transformation_mode": transform}
    if nearest:
        attributes["nearest_mode"] = "round_prefer_ceil" if align or half else "floor"
    value = emission.node(
        "Resize",
        emission.real(source, nchw=True),
        "",
        "",
        emission.integers(emission.tensor(output).shape[0], channels, height, width),
        **attributes,
    )
    store_result(emission, operator, value, nchw=True)
