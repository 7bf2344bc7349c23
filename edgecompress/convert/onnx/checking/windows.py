"""Convolutions and pools: kernels that fit their inputs, and windows that runtimes accept."""

from __future__ import annotations

from onnx import NodeProto

from edgecompress.convert.onnx.checking.facts import Facts, attribute


def convolution_problem(node: NodeProto, facts: Facts) -> str:
    """What is wrong with a Conv of x[N, C, ...], W[M, C / group, ...] and B[M]; "" for nothing."""
    return _misfit(node, facts, channels_axis=1, filters_axis=0) or _window(node, facts.shape(node, 1))


def transposed_problem(node: NodeProto, facts: Facts) -> str:
    """What is wrong with a ConvTranspose of x[N, C, ...], W[C, M / group, ...] and B[M]; "" for nothing."""
    return _misfit(node, facts, channels_axis=0, filters_axis=1) or _window(node, facts.shape(node, 1))


def pool_problem(node: NodeProto, facts: Facts) -> str:
    """What is wrong with a pool: no side may be padded by as much as the window reaches; "" for nothing."""
    kernel, pads = _integers(node, "kernel_shape"), _integers(node, "pads")
    dilations = _integers(node, "dilations") or [1] * len(kernel)
    reach = [(taps - 1) * dilation + 1 for taps, dilation in zip(kernel, dilations, strict=False)]
    if pads and any(pad >= taps for pad, taps in zip(pads, reach * 2, strict=False)):
        return f"it pads {pads} to windows of {kernel}, where less than a window is allowed"
    return _window(node, None)


def _misfit(node: NodeProto, facts: Facts, *, channels_axis: int, filters_axis: int) -> str:
    source, kernel, bias = (facts.shape(node, position) for position in range(3))
    groups = attribute(node, "group", 1)
    assert isinstance(groups, int)
    if source is None or kernel is None:
        return ""
    if groups < 1 or len(kernel) != len(source) or len(kernel) < 3:
        return f"its kernel has the shape {kernel} in {groups} groups, its input {source}"
    across = groups if channels_axis == 1 else 1
    if kernel[channels_axis] * across != source[1] or source[1] % groups or kernel[0] % groups:
        return f"its kernel {kernel} in {groups} groups does not fit {source[1]} channels"
    filters = kernel[filters_axis] * (groups if filters_axis == 1 else 1)
    if bias is not None and bias != (filters,):
        return f"its bias has the shape {bias} for {filters} filters"
    return ""


def _window(node: NodeProto, kernel: tuple[int, ...] | None) -> str:
    taps = _integers(node, "kernel_shape")
    axes = len(taps) or len(kernel or ()) - 2
    if kernel is not None and taps and tuple(taps) != kernel[2:]:
        return f"its kernel_shape is {taps}, where its kernel has {kernel[2:]}"
    for name, count, least in (
        ("kernel_shape", axes, 1),
        ("strides", axes, 1),
        ("dilations", axes, 1),
        ("pads", 2 * axes, 0),
    ):
        values = _integers(node, name)
        if axes > 0 and values and (len(values) != count or min(values) < least):
            return f"its {name} are {values}, where {count} numbers of at least {least} are needed"
    return ""


def _integers(node: NodeProto, name: str) -> list[int]:
    values = attribute(node, name, [])
    assert isinstance(values, list)
    return values
