"""The binary operators of Larq Compute Engine, as calls of the functions in `functions`.

A tensor of bits is int32 words of 32 channels in TFLite and the same bytes, without those of no channel, in ONNX. How
many channels it has only its producer knows; `Emission.bit_channels` remembers it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecompress.convert.onnx.emission import Emission
from edgecompress.convert.onnx.functions import DOMAIN
from edgecompress.convert.onnx.operators.convolution import window_pads
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite.graph import Operator

_WORD_BITS = 32


def quantize(emission: Emission, operator: Operator) -> None:
    """LceQuantize: the signs of numbers N x H x W x C, or N x C, as bits."""
    source, output = operator.inputs[0], operator.outputs[0]
    shape = emission.tensor(source).shape
    if len(shape) not in {2, 4}:
        raise ConversionError(f"its input has {len(shape)} axes; 2 or 4 are supported")
    value = emission.real(source, nchw=len(shape) == 4)
    _store(emission, output, emission.node("BinaryQuantize", value, domain=DOMAIN), shape[-1])


def dequantize(emission: Emission, operator: Operator) -> None:
    """LceDequantize: bits, or a kernel that is kept as bits, as float32 +1 and -1."""
    source, output = operator.inputs[0], operator.outputs[0]
    channels = emission.tensor(output).shape[-1]
    if emission.tensor(output).dtype != "float32":
        raise ConversionError(f"its output is {emission.tensor(output).dtype}; float32 is supported")
    if emission.tensor(source).data is None:
        value = _bits(emission, source, channels)
    else:
        value = emission.constant(_kernel(emission, source, channels), f"{emission.scope}/bits")
    emission.store(output, emission.node("BinaryDequantize", value, channels=channels, domain=DOMAIN))


def convolution(emission: Emission, operator: Operator) -> None:
    """LceBconv2d(bits, kernel, multiplier, bias, thresholds): the first two numbers for float32, the last for bits."""
    source, weights, multiplier, bias, threshold = operator.inputs
    output, options = emission.tensor(operator.outputs[0]), operator.options
    channels, activation = options["channels_in"], options["fused_activation_function"]
    kernel = _kernel(emission, weights, channels)
    if kernel.ndim != 4:
        raise ConversionError(f"its kernel has {kernel.ndim} axes; 4 are expected")
    window = _window(emission, operator, kernel=kernel.shape[1:3])
    dilations = options["dilation_height_factor"], options["dilation_width_factor"]
    if min(dilations) < 1 or options["pad_values"] not in {0, 1} or activation not in {"NONE", "RELU"}:
        raise ConversionError(f"its options are {options}")
    window["pads"] = window_pads(
        emission, operator, kernel=kernel.shape[1:3], strides=window["strides"], dilations=dilations
    )
    attributes = window | {
        "domain": DOMAIN, "channels": channels, "dilations": dilations, "pad_value": options["pad_values"]
    }  # fmt: skip
    operands = [_bits(emission, source, channels), emission.constant(kernel, f"{emission.scope}/kernel")]
    if output.dtype == "int32":
        if activation != "NONE" or (any(window["pads"]) and not options["pad_values"]):
            raise ConversionError("its output is bits, which neither a fused activation nor padding with 0 leads to")
        operands.append(_of_channels(emission, threshold, "thresholds", np.int32, len(kernel)))
        value = emission.node("BinaryConv2dBits", *operands, **attributes | {"pad_value": 1})
        _store(emission, output.index, value, len(kernel))
    elif output.dtype == "float32":
        operands.append(_of_channels(emission, multiplier, "multipliers", np.float32, len(kernel)))
        operands.append(_of_channels(emission, bias, "biases", np.float32, len(kernel)))
        value = emission.node("BinaryConv2d", *operands, relu=int(activation == "RELU"), **attributes)
        emission.store(output.index, value, nchw=True)
    else:
        raise ConversionError(f"its output is {output.dtype}; float32, or int32 for bits, is supported")


def max_pool(emission: Emission, operator: Operator) -> None:
    """LceBMaxPool2d of bits."""
    source, kernel = operator.inputs[0], (operator.options["filter_height"], operator.options["filter_width"])
    window = _window(emission, operator, kernel=kernel)
    pads = window_pads(emission, operator, kernel=kernel, **window)
    value = emission.node(
        "BinaryMaxPool", _bits(emission, source), kernel_shape=kernel, pads=pads, domain=DOMAIN, **window
    )
    _store(emission, operator.outputs[0], value, emission.bit_channels[source])


def reshape(emission: Emission, operator: Operator) -> None:
    """RESHAPE of bits: the words of a pixel stay together, or every word is full."""
    source, output = operator.inputs[0], operator.outputs[0]
    before, after, channels = emission.tensor(source), emission.tensor(output), emission.bit_channels[source]
    if before.size != after.size or not after.shape:
        raise ConversionError("its output's shape is known only while the model runs; fix the shape of the input")
    if before.shape[-1] != after.shape[-1]:
        if channels % _WORD_BITS:
            raise ConversionError(f"it joins pixels of {channels} bits, which is no whole number of words")
        channels = after.shape[-1] * _WORD_BITS
    value = emission.reshape(_bits(emission, source), (*after.shape[:-1], _bytes(channels)))
    _store(emission, output, value, channels)


def _store(emission: Emission, index: int, value: str, channels: int) -> None:
    tensor = emission.tensor(index)
    if tensor.dtype != "int32" or tensor.shape[-1:] != (-(-channels // _WORD_BITS),):
        raise ConversionError(f"its output is {tensor.dtype} of shape {tensor.shape} for {channels} channels of bits")
    emission.bit_channels[index] = channels
    emission.store(index, value)


def _bits(emission: Emission, index: int, channels: int | None = None) -> str:
    """The value of a tensor of bits, of so many channels if given."""
    known = emission.bit_channels.get(index)
    if known is None:
        raise ConversionError(f"its input '{emission.tensor(index).name}' is not made by a binary operator")
    if channels not in {None, known}:
        raise ConversionError(f"its input has {known} channels of bits where it expects {channels}")
    return emission.stored(index)


def _kernel(emission: Emission, index: int, channels: int) -> np.ndarray:
    """A constant's bits, uint8 [..., bytes]."""
    words = emission.array(index, "kernels")
    if words.dtype != np.int32 or channels < 1 or words.shape[-1:] != (-(-channels // _WORD_BITS),):
        raise ConversionError(f"its kernel is {words.dtype} of shape {words.shape} for {channels} channels")
    return np.ascontiguousarray(words.astype("<i4").view(np.uint8)[..., : _bytes(channels)])


def _bytes(channels: int) -> int:
    return -(-channels // 8)


def _of_channels(emission: Emission, index: int, role: str, dtype: type, count: int) -> str:
    """A constant with one element for each output channel."""
    if index < 0:
        raise ConversionError(f"it has no {role}")
    array = emission.array(index, role)
    if array.dtype != dtype or array.shape != (count,):
        raise ConversionError(f"its {role} are {array.dtype} of shape {array.shape} for {count} channels")
    return emission.constant(array, f"{emission.scope}/{role}")


def _window(emission: Emission, operator: Operator, *, kernel: tuple[int, ...]) -> dict[str, Any]:
    strides = operator.options["stride_height"], operator.options["stride_width"]
    rank = len(emission.tensor(operator.inputs[0]).shape)
    if min(*strides, *kernel) < 1 or len(kernel) != 2 or rank != 4:
        raise ConversionError(f"its window is {kernel}, moved by {strides} over a tensor of {rank} axes")
    return {"strides": strides}
