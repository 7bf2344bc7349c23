"""Small TFLite files with binary operators, made here, and what they compute by `numerics.binary`."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from flatbuffers import flexbuffers

from edgecompress.numerics.binary import (
    Window,
    affine,
    binary_convolution,
    max_pool,
    pack_signs,
    same_pads,
    unpack_signs,
)
from edgecompress.testing.tflite_files import T, model_table, pack

SAME, VALID = 0, 1
WORD_BYTES = 4


def words(channels):
    return -(-channels // 32)


def bits_of(values):
    """The signs of the last axis as little-endian int32 words, as TFLite files have them."""
    return pack_signs(values, word_bytes=WORD_BYTES).view("<i4")


@dataclass
class BinaryModel:
    """Built operator by operator; each method returns the index of the tensor that it adds."""

    batch: int = 1
    tensors: list = field(default_factory=list)
    operators: list = field(default_factory=list)
    custom: dict = field(default_factory=dict)  # operator: its name and options

    def tensor(self, shape, dtype="FLOAT32", *, data=None, free=False):
        signature = [-1, *shape[1:]] if free else None
        name = f"tensor{len(self.tensors)}"
        self.tensors.append(T(list(shape), dtype, name=name, data=data, signature=signature))
        return len(self.tensors) - 1

    def input(self, *shape, free=False):
        return self.tensor([self.batch, *shape], free=free)

    def builtin(self, kind, inputs, shape, table):
        output = self.tensor(shape)
        self.operators.append((kind, inputs, [output], table))
        return output

    def operator(self, name, inputs, shape, dtype, **integers):
        output = self.tensor(shape, dtype)
        self.custom[len(self.operators)] = (name, integers)
        self.operators.append(("CUSTOM", inputs, [output], None))
        return output

    def shape(self, index):
        return list(self.tensors[index].shape)

    def quantize(self, x):
        *outer, channels = self.shape(x)
        return self.operator("LceQuantize", [x], [*outer, words(channels)], "INT32")

    def dequantize(self, x, channels):
        return self.operator("LceDequantize", [x], [*self.shape(x)[:-1], channels], "FLOAT32")

    def max_pool(self, x, size, strides, padding):
        batch, height, width, pixel_words = self.shape(x)
        steps = window(height, width, size, strides, (1, 1), padding)[1]
        integers = dict(zip(("filter_height", "filter_width"), size, strict=True))
        integers |= dict(zip(("stride_height", "stride_width"), strides, strict=True))
        shape = [batch, *steps, pixel_words]
        return self.operator("LceBMaxPool2d", [x], shape, "INT32", padding=padding, **integers)

    def convolution(self, x, signs, *, multiplier=None, bias=None, thresholds=None, **how):
        """`signs` are O x kernel height x kernel width x I; `how` the options that differ from `OPTIONS`."""
        integers = {**OPTIONS, "channels_in": signs.shape[3], **how}
        batch, height, width, _ = self.shape(x)
        strides = (integers["stride_height"], integers["stride_width"])
        dilations = (integers["dilation_height_factor"], integers["dilation_width_factor"])
        steps = window(height, width, signs.shape[1:3], strides, dilations, integers["padding"])[1]
        packed = bits_of(signs)
        inputs = [x, self.tensor(packed.shape, "INT32", data=packed)]
        for data, dtype in ((multiplier, "FLOAT32"), (bias, "FLOAT32"), (thresholds, "INT32")):
            inputs.append(-1 if data is None else self.tensor(data.shape, dtype, data=data))
        out = len(signs)
        if thresholds is None:
            return self.operator("LceBconv2d", inputs, [batch, *steps, out], "FLOAT32", **integers)
        return self.operator("LceBconv2d", inputs, [batch, *steps, words(out)], "INT32", **integers)

    def table(self, *, change=None, **ends):
        """The model as the schema's objects; `change` may do anything to it."""
        model = model_table(self.tensors, self.operators, **ends)
        for index, (name, integers) in self.custom.items():
            operator = model.subgraphs[0].operators[index]
            code = model.operatorCodes[operator.opcodeIndex]
            code.customCode, code.version = name, 1
            if integers:
                operator.customOptions = np.frombuffer(flexbuffers.Dumps(integers), np.uint8)
        if change:
            change(model)
        return model

    def pack(self, **how):
        return pack(self.table(**how))


OPTIONS = {
    "dilation_height_factor": 1, "dilation_width_factor": 1, "fused_activation_function": 0, "pad_values": 1,
    "padding": SAME, "stride_height": 1, "stride_width": 1,
}  # fmt: skip


def window(height, width, kernel, strides, dilations, padding):
    """The `Window` of an option, and the height and width that it gives."""
    pads = same_pads((height, width), kernel, strides, dilations) if padding == SAME else (0, 0, 0, 0)
    reaches = [(taps - 1) * dilation + 1 for taps, dilation in zip(kernel, dilations, strict=True)]
    lengths = (height + pads[0] + pads[2], width + pads[1] + pads[3])
    steps = [(n - reach) // stride + 1 for n, reach, stride in zip(lengths, reaches, strides, strict=True)]
    return Window(strides, dilations, pads), steps


def convolved(bits, signs, *, multiplier=None, bias=None, thresholds=None, **how):
    """What `BinaryModel.convolution` computes from int32 words."""
    integers = {**OPTIONS, **how}
    strides = (integers["stride_height"], integers["stride_width"])
    dilations = (integers["dilation_height_factor"], integers["dilation_width_factor"])
    moves, _ = window(*bits.shape[1:3], signs.shape[1:3], strides, dilations, integers["padding"])
    kernel = pack_signs(signs, word_bytes=WORD_BYTES)
    zeros = integers["pad_values"] == 0
    sums = binary_convolution(bits.view(np.uint8), kernel, moves, channels=signs.shape[3], zero_padding=zeros)
    if thresholds is None:
        return affine(sums, multiplier, bias, relu=integers["fused_activation_function"] == 1)
    return bits_of(-(signs[0].size - sums > 2 * thresholds).astype(np.int8))


def pooled(bits, size, strides, padding):
    """What `BinaryModel.max_pool` computes."""
    moves, _ = window(*bits.shape[1:3], size, strides, (1, 1), padding)
    return np.ascontiguousarray(max_pool(bits.view(np.uint8), size, moves)).view("<i4")


def signs(rng, *shape):
    return rng.choice(np.array([-1, 1], np.int8), shape)


def network(folder, *, batch=1, free=False, seed=0, zeros=False, relu=False):
    """A file of every operator, and a function that computes the same from its input.

    quantize, convolution to bits, max-pool, convolution to floats, quantize, convolution 1 x 1 as a dense layer has it,
    dequantize of the pool beside it.
    """
    rng = np.random.default_rng(seed)
    first, second, dense = signs(rng, 40, 3, 3, 3), signs(rng, 70, 3, 2, 40), signs(rng, 10, 1, 1, 70)
    thresholds = rng.integers(0, first[0].size, 40).astype(np.int32)
    scales = [(rng.normal(size=n).astype(np.float32), rng.normal(size=n).astype(np.float32)) for n in (70, 10)]
    how = {"stride_height": 2, "pad_values": 0 if zeros else 1, "fused_activation_function": int(relu)}
    model = BinaryModel(batch)
    x = model.input(13, 11, 3, free=free)
    y = model.convolution(model.quantize(x), first, thresholds=thresholds, padding=VALID)
    pool = model.max_pool(y, (3, 3), (2, 2), SAME)
    y = model.convolution(pool, second, multiplier=scales[0][0], bias=scales[0][1], **how)
    last = model.convolution(model.quantize(y), dense, multiplier=scales[1][0], bias=scales[1][1], padding=VALID)
    back = model.dequantize(pool, 40)
    path = folder / "binary.tflite"
    path.write_bytes(model.pack(inputs=[x], outputs=[last, back]))

    def expected(image):
        bits = convolved(bits_of(image), first, thresholds=thresholds, padding=VALID)
        bits = pooled(bits, (3, 3), (2, 2), SAME)
        y = convolved(bits, second, multiplier=scales[0][0], bias=scales[0][1], **how)
        last = convolved(bits_of(y), dense, multiplier=scales[1][0], bias=scales[1][1], padding=VALID)
        return [last, unpack_signs(bits.view(np.uint8), 40).astype(np.float32)]

    return path, expected
