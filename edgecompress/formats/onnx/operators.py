"""Through which inputs an ONNX operator gets its kernels and other trained numbers, and its multiply-adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from onnx import NodeProto

Shape = tuple[int, ...]  # -1 where an axis is free
# Multiply-adds of a product by the shapes of its operands, and of its output; 0 if an axis that they depend on is free.
# No operand is a scalar.
Work = Callable[[NodeProto, Shape, Shape, Shape], int]

# Operators that multiply in ways that are not counted here.
UNCOUNTED = {
    *("Einsum", "DeformConv", "Loop", "Scan", "If", "SequenceMap", "MoE", "QMoE", "WordConvEmbedding"),
    *("Attention", "MultiHeadAttention", "GroupQueryAttention", "QAttention", "LongformerAttention", "PackedAttention"),
    *("PackedMultiHeadAttention", "DecoderAttention", "DecoderMaskedMultiHeadAttention", "SparseAttention"),
    *("PagedAttention", "LinearAttention", "QOrderedAttention", "CausalConvWithState", "DynamicQuantizeLSTM"),
    *("AttnLSTM", "QGemm", "FusedGemm", "GemmFastGelu", "GemmFloat8", "FusedConv", "NhwcConv", "NhwcFusedConv"),
    *("QLinearConvTranspose", "ConvTransposeWithDynamicPads", "FusedMatMul", "FusedMatMulActivation"),
    *("TransposeMatMul", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "MatMulNBits", "MatMulBnb4", "MatMulFpQ4"),
    *("SparseToDenseMatMul", "QOrderedMatMul", "BeamSearch", "GreedySearch", "Sampling"),
}

STANDARD_DOMAINS = {"", "ai.onnx", "com.microsoft"}  # the last repeats some operators for more types
ELEMENTWISE = {"Add", "Mul"}
BINARY_DOMAIN = "edgecompress"
BINARY_FUNCTIONS = ("BinaryQuantize", "BinaryConv2d", "BinaryConv2dBits", "BinaryMaxPool", "BinaryDequantize")


@dataclass(frozen=True)
class Operator:
    """An operator with trained numbers or scales; those of its inputs that are constant are what was trained."""

    kernels: tuple[int, ...] = ()  # the operands of a product; or tables, as of Gather
    others: tuple[int, ...] = ()  # biases, gamma and beta, slopes
    zero_points: tuple[tuple[int, int], ...] = ()  # of each kernel: its zero point, and the axis that several run along
    reads_codes: tuple[int, int] | None = None  # scale and zero point of the first input
    writes_codes: tuple[int, int] | None = None  # and of the output
    work: Work | None = None
    is_recurrent: bool = False  # each step of the first input is multiplied with all of the kernels
    packs_bits: bool = False  # kernels hold signs of one bit each, `channels` of them along the last axis


def attribute(node: NodeProto, name: str, default: int) -> int:
    """An integer attribute of a node."""
    return next((each.i for each in node.attribute if each.name == name), default)


def attributes(node: NodeProto, name: str, default: Shape) -> Shape:
    """The integers of an attribute of a node, if they are as many as those of the default."""
    found = next((tuple(each.ints) for each in node.attribute if each.name == name), default)
    return found if len(found) == len(default) else default


def bit_channels(node: NodeProto, packed: Shape) -> int:
    """How many channels the bits in the bytes along the last axis are of: not more than there is room for."""
    return min(max(attribute(node, "channels", 0), 0), 8 * max(packed[-1], 0)) if packed else 0


def _volume(shape: Shape) -> int:
    return 0 if -1 in shape else prod(shape)


def _convolution(node: NodeProto, data: Shape, kernel: Shape, output: Shape) -> int:
    """The kernel is (filters, channels / groups, ...): each element of the output is a product with one filter."""
    return _volume(output) * _volume(kernel[1:])


def _transposed_convolution(node: NodeProto, data: Shape, kernel: Shape, output: Shape) -> int:
    """The kernel is (channels, filters / groups, ...): each element of the input spreads its channel's part."""
    return _volume(data) * _volume(kernel[1:])


def _matrix_product(node: NodeProto, left: Shape, right: Shape, output: Shape) -> int:
    return _volume(output) * _volume(left[-1:])


def _gemm(node: NodeProto, left: Shape, right: Shape, output: Shape) -> int:
    return _volume(output) * _volume(left[:1] if attribute(node, "transA", 0) else left[-1:])


def _binary_convolution(node: NodeProto, data: Shape, kernel: Shape, output: Shape) -> int:
    """The kernel is (filters, height, width, bytes); the output (batch, filters, height, width), or as `data` is."""
    pixels = output[:1] + output[2:] if node.op_type == "BinaryConv2d" else output[:-1]
    return _volume(pixels) * _volume(kernel[:-1]) * bit_channels(node, kernel)


_FIRST, _LAST = (1, 2), (6, 7)  # scale and zero point, of the first input and of the output
_ROWS, _COLUMNS = -2, -1
OPERATORS = {
    "Conv": Operator((0, 1), (2,), work=_convolution),
    "ConvInteger": Operator((0, 1), (), ((2, 0), (3, 0)), work=_convolution),
    "QLinearConv": Operator((0, 3), (8,), ((2, 0), (5, 0)), _FIRST, _LAST, _convolution),
    "ConvTranspose": Operator((0, 1), (2,), work=_transposed_convolution),
    "Gemm": Operator((0, 1), (2,), work=_gemm),
    "MatMul": Operator((0, 1), work=_matrix_product),
    "MatMulInteger": Operator((0, 1), (), ((2, _ROWS), (3, _COLUMNS)), work=_matrix_product),
    "QLinearMatMul": Operator((0, 3), (), ((2, _ROWS), (5, _COLUMNS)), _FIRST, _LAST, _matrix_product),
    "RNN": Operator((1, 2), (3,), is_recurrent=True),
    "GRU": Operator((1, 2), (3,), is_recurrent=True),
    "LSTM": Operator((1, 2), (3, 7), is_recurrent=True),
    "Gather": Operator((0,)),
    "BatchNormalization": Operator(others=(1, 2)),
    "InstanceNormalization": Operator(others=(1, 2)),
    "LayerNormalization": Operator(others=(1, 2)),
    "GroupNormalization": Operator(others=(1, 2)),
    "PRelu": Operator(others=(1,)),
    **dict.fromkeys(ELEMENTWISE, Operator(others=(0, 1))),
    f"{BINARY_DOMAIN}.BinaryConv2d": Operator((0, 1), (2, 3), work=_binary_convolution, packs_bits=True),
    f"{BINARY_DOMAIN}.BinaryConv2dBits": Operator((0, 1), (2,), work=_binary_convolution, packs_bits=True),
    f"{BINARY_DOMAIN}.BinaryDequantize": Operator((0,), packs_bits=True),
    "QuantizeLinear": Operator(writes_codes=(1, 2)),
    "DequantizeLinear": Operator(reads_codes=(1, 2)),
}
