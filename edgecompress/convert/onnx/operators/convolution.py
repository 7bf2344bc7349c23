"""Convolutions: kernels are laid out anew while emitting, and SAME padding is counted out."""

from __future__ import annotations

import numpy as np

from edgecompress.convert.onnx.emission import Emission
from edgecompress.convert.onnx.operators.fused_activation import store_real
from edgecompress.formats.tflite.graph import Operator
from edgecompress.numerics.padding import same_padding


def convolution(emission: Emission, operator: Operator) -> None:
    """CONV_2D with a kernel [out, height, width, in / groups]."""
    source, kernel = (emission.tensor(index).shape for index in operator.inputs[:2])
    _convolve(emission, operator, permutation=(0, 3, 1, 2), groups=source[3] // kernel[3])


def depthwise_convolution(emission: Emission, operator: Operator) -> None:
    """DEPTHWISE_CONV_2D with a kernel [1, height, width, in * multiplier]: as many groups as input channels."""
    _convolve(emission, operator, permutation=(3, 0, 1, 2), groups=emission.tensor(operator.inputs[0]).shape[3])


def _convolve(emission: Emission, operator: Operator, *, permutation: tuple[int, ...], groups: int) -> None:
    source, weights = operator.inputs[:2]
    kernel = emission.tensor(weights).shape[1:3]
    strides = operator.options["stride_h"], operator.options["stride_w"]
    dilations = operator.options["dilation_h_factor"], operator.options["dilation_w_factor"]
    value = emission.node(
        "Conv",
        emission.real(source, nchw=True),
        emission.kernel(weights, permutation),
        *bias(emission, operator.inputs[2:], source=source, weights=weights),
        kernel_shape=kernel,
        strides=strides,
        dilations=dilations,
        group=groups,
        pads=window_pads(emission, operator, kernel=kernel, strides=strides, dilations=dilations),
    )
    store_real(emission, operator, value, nchw=True)


def transposed_convolution(emission: Emission, operator: Operator) -> None:
    """TRANSPOSE_CONV(output shape, kernel [out, height, width, in], input, bias): the gradient of a convolution.

    ONNX: output = stride * (input - 1) + kernel - pads + output_padding, along each axis.
    """
    weights, source = operator.inputs[1:3]
    inner, outer = emission.tensor(source).shape[1:3], emission.tensor(operator.outputs[0]).shape[1:3]
    kernel = emission.tensor(weights).shape[1:3]
    strides = operator.options["stride_h"], operator.options["stride_w"]
    surplus = [s * (i - 1) + k - o for s, i, k, o in zip(strides, inner, kernel, outer, strict=True)]
    before = [max(size, 0) // 2 for size in surplus]
    after = [max(size, 0) - pad for size, pad in zip(surplus, before, strict=True)]
    value = emission.node(
        "ConvTranspose",
        emission.real(source, nchw=True),
        emission.kernel(weights, (3, 0, 1, 2)),
        *bias(emission, operator.inputs[3:], source=source, weights=weights),
        kernel_shape=kernel,
        strides=strides,
        pads=before + after,
        output_padding=[max(-size, 0) for size in surplus],
    )
    store_real(emission, operator, value, nchw=True)


def window_pads(
    emission: Emission,
    operator: Operator,
    *,
    kernel: tuple[int, ...],
    strides: tuple[int, int],
    dilations: tuple[int, int] = (1, 1),
) -> list[int]:
    """ONNX's pads [top, left, bottom, right] of a window that slides over the operator's first input.

    SAME: ceil(input / stride) outputs, the missing pixels halved, the odd one at the end.
    """
    if operator.options["padding"] == "VALID":
        return [0, 0, 0, 0]
    sizes = emission.tensor(operator.inputs[0]).shape[1:3]
    (top, bottom), (left, right) = map(same_padding, sizes, kernel, strides, dilations)
    return [top, left, bottom, right]


def bias(emission: Emission, inputs: tuple[int, ...], *, source: int, weights: int) -> list[str]:
    """The bias, the first of `inputs`, as a list of one value; an empty list where it is left out.

    Beside quantized weights it is int32 in steps of input scale * weight scale, whatever scale the file gives it.
    """
    if not inputs or inputs[0] < 0:
        return []
    input_quant, weight_quant = emission.tensor(source).quant, emission.tensor(weights).quant
    if emission.tensor(inputs[0]).dtype != "int32" or input_quant is None or weight_quant is None:
        return [emission.real(inputs[0])]
    scales = np.float32(input_quant.scales[0]) * np.array(weight_quant.scales, np.float32)
    scales = scales if weight_quant.axis is not None else scales.reshape(())
    return [emission.dequantize(emission.stored(inputs[0]), scales, np.zeros(scales.shape, np.int32))]
