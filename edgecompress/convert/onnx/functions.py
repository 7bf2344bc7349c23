"""The operators of the domain "edgecompress" as functions of standard ONNX operators, which a model carries with it.

So any runtime computes the model, with nothing installed; one that has kernels under the same names takes those. Bits
are uint8, NHWC: bit 1 is -1, bit 0 is +1, bit i of byte b is channel 8 b + i. Activations of numbers are NCHW.

The functions are exact: a sum of up to 2^24 products of +-1 is an integer that float32 holds. Runtimes like to
multiply the weights of a Conv by the factor that follows it, which would round; the Clip between them, which the
runtime does within its convolution, keeps the sums whole. A Reshape to the shape that must be there refuses any other.
"""

from __future__ import annotations

from onnx import FunctionProto, parser

DOMAIN, VERSION = "edgecompress", 1


def function(name: str, opset: int) -> FunctionProto:
    """The function of that name, in terms of that opset of ONNX."""
    signature, body = _BODIES[name]
    text = f'<domain: "{DOMAIN}", opset_import: ["" : {opset}]>\n{name} {signature} {{\n{body}\n}}'
    return parser.parse_function(text)


def _sized(bits: str) -> str:
    """`{bits}_whole`: the bits, refused unless their bytes are those of `channels`; `split`: channels, spare bits."""
    return f"""
        {bits}_channels = Constant <value_int: int = @channels> ()
        {bits}_eight = Constant <value_int = 8> ()
        {bits}_seven = Constant <value_int = 7> ()
        {bits}_rounded = Add ({bits}_channels, {bits}_seven)
        {bits}_bytes = Div ({bits}_rounded, {bits}_eight)
        {bits}_stored = Mul ({bits}_bytes, {bits}_eight)
        {bits}_spare = Sub ({bits}_stored, {bits}_channels)
        {bits}_one = Constant <value_ints = [1]> ()
        {bits}_used_1d = Reshape ({bits}_channels, {bits}_one)
        {bits}_spare_1d = Reshape ({bits}_spare, {bits}_one)
        {bits}_split = Concat <axis = 0> ({bits}_used_1d, {bits}_spare_1d)
        {bits}_bytes_1d = Reshape ({bits}_bytes, {bits}_one)
        {bits}_before = Shape <end = -1> ({bits})
        {bits}_shape = Concat <axis = 0> ({bits}_before, {bits}_bytes_1d)
        {bits}_whole = Reshape <allowzero = 1> ({bits}, {bits}_shape)"""


def _signs(bits: str, axis: int) -> str:
    """`{bits}_signs`: +1 and -1 of `{bits}_flat`, which has 0 for +1, without the spare bits at the end of an axis."""
    return f"""
        {bits}_kept, {bits}_left = Split <axis = {axis}> ({bits}_flat, {bits}_split)
        {bits}_negative = Cast <to = 9> ({bits}_kept)
        {bits}_minus = Constant <value_float = -1.0> ()
        {bits}_plus = Constant <value_float = 1.0> ()
        {bits}_signs = Where ({bits}_negative, {bits}_minus, {bits}_plus)"""


def _planes(bits: str, source: str) -> str:
    """`{bits}_flat`: N x 8 B x H x W, each bit in its place within a byte of its own, of N x H x W x B."""
    return f"""
        {bits}_first = Transpose <perm = [0, 3, 1, 2]> ({source})
        {bits}_axis = Constant <value_ints = [2]> ()
        {bits}_apart = Unsqueeze ({bits}_first, {bits}_axis)
        {bits}_masks = Constant <value = uint8[8,1,1] {{1, 2, 4, 8, 16, 32, 64, 128}}> ()
        {bits}_masked = BitwiseAnd ({bits}_apart, {bits}_masks)
        {bits}_all = Constant <value_ints = [0, -1]> ()
        {bits}_size = Shape <start = 2> ({bits}_first)
        {bits}_planar = Concat <axis = 0> ({bits}_all, {bits}_size)
        {bits}_flat = Reshape ({bits}_masked, {bits}_planar)"""


def _joined(planes: str, weights: str, result: str) -> str:
    """N x (H x W) x B bytes, as the sums of eight weighted planes each, of numbers N x 8 B x H x W or N x 8 B."""
    return f"""
        pixels = Constant <value_ints = [0, 0, -1]> ()
        planar = Reshape ({planes}, pixels)
        eights = Constant <value_ints = [0, -1, 8]> ()
        count = Shape <start = 2> (planar)
        grouped_shape = Concat <axis = 0> (eights, count)
        grouped = Reshape (planar, grouped_shape)
        numbers = Cast <to = 1> (grouped)
        weights = Constant <value = float[1,8] {{{weights}}}> ()
        totals = MatMul (weights, numbers)
        bytes = Cast <to = 2> (totals)
        {result} = Transpose <perm = [0, 3, 1, 2]> (bytes)"""


def _packed(negative: str) -> str:
    """`Y`: bits N x H x W x B, or N x B, of booleans N x C x H x W, or N x C."""
    return f"""
        nothing = Constant <value_ints = [0, 0, 0, 0]> ()
        zero_1d = Constant <value_ints = [0]> ()
        eight = Constant <value_ints = [8]> ()
        channels_out = Shape <start = 1, end = 2> ({negative})
        lacking = Neg (channels_out)
        missing = Mod (lacking, eight)
        borders = Concat <axis = 0> (nothing, missing, zero_1d)
        three = Constant <value_ints = [0, 0, -1]> ()
        pixelwise = Reshape ({negative}, three)
        filled = Pad (pixelwise, borders)
        {_joined("filled", "1, 2, 4, 8, 16, 32, 64, 128", "packed")}
        {_rest(negative, "packed")}"""


def _rest(like: str, packed: str) -> str:
    """`Y`: the bytes of each pixel, with N, H and W as in a value that is N x C x H x W, or N x C."""
    return f"""
        images = Shape <end = 1> ({like})
        sizes = Shape <start = 2> ({like})
        rest = Constant <value_ints = [-1]> ()
        final_shape = Concat <axis = 0> (images, sizes, rest)
        Y = Reshape ({packed}, final_shape)"""


_SUMS = f"""{_sized("X")}{_planes("X", "X_whole")}{_signs("X", 1)}
        {_sized("W")}{_planes("W", "W_whole")}{_signs("W", 1)}
        pads = Constant <value_ints: ints = @pads> ()
        pad_number = Constant <value_int: int = @pad_value> ()
        pad_value = Cast <to = 1> (pad_number)
        no_pads = Constant <value_ints = [0, 0]> ()
        two = Constant <value_ints = [2, 2]> ()
        pads_before, pads_after = Split <axis = 0> (pads, two)
        borders_in = Concat <axis = 0> (no_pads, pads_before, no_pads, pads_after)
        padded = Pad (X_signs, borders_in, pad_value)
        sums = Conv <strides: ints = @strides, dilations: ints = @dilations> (padded, W_signs)
        outputs = Shape <end = 1> (W)
        unit = Constant <value_ints = [1]> ()
        column = Concat <axis = 0> (unit, outputs, unit, unit)"""

_BODIES = {
    "BinaryQuantize": (
        "(X) => (Y)",
        f"""
        zero = Constant <value_float = 0.0> ()
        negative = Less (X, zero)
        {_packed("negative")}""",
    ),
    "BinaryConv2d": (
        "<channels, pads, strides, dilations, pad_value, relu> (X, W, multiplier, bias) => (Y)",
        f"""{_SUMS}
        relu = Constant <value_int: int = @relu> ()
        rectifies = Cast <to = 9> (relu)
        zero = Constant <value_float = 0.0> ()
        lowest = Constant <value_float = -3.4028234e38> ()
        least = Where (rectifies, zero, lowest)
        rectified = Clip (sums, least)
        factors = Reshape <allowzero = 1> (multiplier, column)
        offsets = Reshape <allowzero = 1> (bias, column)
        scaled = Mul (rectified, factors)
        Y = Add (scaled, offsets)""",
    ),
    "BinaryConv2dBits": (
        "<channels, pads, strides, dilations, pad_value> (X, W, threshold) => (Y)",
        f"""{_SUMS}
        kernel_size = Shape <start = 1> (W_signs)
        products = ReduceProd <keepdims = 0> (kernel_size)
        mismatches = Cast <to = 7> (threshold)
        doubled = Add (mismatches, mismatches)
        exact_limits = Sub (products, doubled)
        limits_flat = Cast <to = 1> (exact_limits)
        limits = Reshape <allowzero = 1> (limits_flat, column)
        negative = Less (sums, limits)
        {_packed("negative")}""",
    ),
    "BinaryMaxPool": (
        "<kernel_shape, pads, strides> (X) => (Y)",
        f"""
        positive = BitwiseNot (X)
        {_planes("X", "positive")}
        greatest = MaxPool <kernel_shape: ints = @kernel_shape, pads: ints = @pads, strides: ints = @strides> (X_flat)
        {_joined("greatest", "1, 1, 1, 1, 1, 1, 1, 1", "joined")}
        pooled = BitwiseNot (joined)
        {_rest("greatest", "pooled")}""",
    ),
    "BinaryDequantize": (
        "<channels> (X) => (Y)",
        f"""{_sized("X")}
        last = Constant <value_ints = [-1]> ()
        X_apart = Unsqueeze (X_whole, last)
        masks = Constant <value = uint8[8] {{1, 2, 4, 8, 16, 32, 64, 128}}> ()
        X_masked = BitwiseAnd (X_apart, masks)
        stored_1d = Reshape (X_stored, last)
        flat_shape = Concat <axis = 0> (X_before, stored_1d)
        X_flat = Reshape (X_masked, flat_shape)
        {_signs("X", -1)}
        Y = Identity (X_signs)""",
    ),
}
