"""The form in which a packed file holds some KiB that are no tensor: context mixing that knows what models say.

A mixed stream has nothing but the bytes of `context_mixing`, which learned `PRIMER` before: what the heads, names and
nodes of model files are made of. It is smaller than LZMA by a fifth or more, and its decoder takes tens of microseconds
a byte in Python: so there is a limit, and each byte counts as some steps of the entropy coder.
"""

from __future__ import annotations

from edgecompress.numerics.codecs import context_mixing
from edgecompress.packing.codings.base import Work, damaged

MAX_MIXED_BYTES = 1 << 15
STEPS_PER_BYTE = 4  # of the entropy coder, which NumPy makes in about ten microseconds
PRIMER = (
    # the head of a .tflite file with its signature, metadata and buffers; then of operators, codes and tensors
    b"\x1c\0\0\0TFL3\x14\0 \0\x1c\0\x18\0\x14\0\x10\0\x0c\0\0\0\x08\0\4\0\x14\0\0\0\x1c\0\0\0\x90\0\0\0\x10\1\0\0\3\0"
    b"\0\0\1\0\0\0\x10\0\0\0\0\0\n\0\x10\0\x0c\0\x08\0\4\0\n\0\0\0\x0c\0\0\0\x1c\0\0\08\0\0\0\x0f\0\0\0serving_default"
    b"\0\1\0\0\0\4\0\0\0p\xff\xff\xff\x11\0\0\0\4\0\0\0\7\0\0\0softmax\0\1\0\0\0\4\0\0\0\3\0\0\0\4\0\0\0\x0b\0\0\0inpu"
    b"t_layer\0\x15\0\0\0\4\0\0\0\x11\0\0\0edgecompress.json\0\0\0\xdc\xff\xff\xff\x14\0\0\0\4\0\0\0\x13\0\0\0CONVERSI"
    b"ON_METADATA\0\x08\0\x0c\0\x08\0\4\0\x08\0\0\0\x13\0\0\0\4\0\0\0\x13\0\0\0min_runtime_version\0\x16\0\0\0\x14\5\0"
    b"\0\x0c\5\0\0\xfc\4\0\0\xf4\4\0\0\4\0\0\x000\0\0\0{\"target\":\"tflite:float32\",\"preprocessing\":null}\4\0\0\0"
    b"\x10\0\0\x001.14.0\0\0\0\0\0\0\0\0\0\0\x0c\xf6\xff\xff\x10\xf6\xff\xff\x0f\0\0\0MLIR Converted.\0\1\0\0\0\x14\0"
    b"\0\0\0\0\x0e\0\x18\0\x14\0\x10\0\x0c\0\x08\0\4\0\x0e\0\0\0\x14\0\0\0\x1c\0\0\0\0\1\0\0\4\1\0\0\x08\1\0\0\4\0\0\0"
    b"main\0\0\0\0\x08\0\0\0\x1c\0\0\0\0\0\0\x09\x1c\0\0\0 \0\0\0\4\0\0\0\0\0\6\0\x08\0\4\0\6\0\0\0\0\0\x80?\1\0\0\0"
    b"\x11\0\0\0\1\0\0\0\x10\0\0\0\xc6\xfe\xff\xff\0\0\0\1\x14\0\0\0\x14\0\0\0\3\0\0\0\xd8\xf6\xff\xff\1\0\0\0\x10\0\0"
    b"\0\3\0\0\0\x0f\0\0\0\5\0\0\0\xff\xff\xff\xff\x82\xfe\xff\xff\0\0\0\1\x10\0\0\0\x10\0\0\0\4\0\0\0(\0\0\0P\xfe\xff"
    b"\xff\x19\0\0\0model/conv2d_1/Conv2D\0\0\0\4\0\0\0\x10\0\0\0\1\0\0\0\1\0\0\0\x08\0\0\0\x16\xff\xff\xff\0\0\0\1"
    b"\x10\0\0\0\x10\0\0\0\5\0\0\0(\0\0\0\xa0\xfe\xff\xff\x19\0\0\0\4\0\0\0\1\0\0\0\3\0\0\0\3\0\0\0\x08\0\0\0\0\0\x16"
    b"\0\x18\0\x14\0\0\0\x10\0\x0c\0\x08\0\0\0\0\0\7\0\x16\0\0\0\0\1\x14\0\0\0\x14\0\0\0\1\0\0\0\x1c\0\0\0\4\0\4\0\4\0"
    b"\0\0\5\0\0\0input\0\0\0\4\0\0\0\1\0\0\0 \0\0\0 \0\0\0\3\0\0\0\3\0\0\0\xe8\xff\xff\xff\x19\0\0\0\0\0\0\x19\xf4"
    b"\xff\xff\xff\4\0\0\0\0\0\0\4\x0c\0\x0c\0\x0b\0\0\0\0\0\4\0\x0c\0\0\0\3\0\0\0\0\0\0\3"
    # names that TensorFlow and Keras give
    b"StatefulPartitionedCall:0\0serving_default_input_1:0\0sequential/dense/MatMul;sequential/dense/BiasAdd/ReadVaria"
    b"bleOp\0model/re_lu_1/Relu6;model/batch_normalization/FusedBatchNormV3;model/depthwise_conv2d/depthwise;model/con"
    b"v2d/Conv2D\0tfl.pseudo_qconst\0arith.constant1\0"
    # names in ONNX files, and ONNX's operators
    b"weight bias scale zero_point running_mean running_var layers.0. MaxPool AveragePool Reshape Transpose Concat Mat"
    b"Mul Add Mul Sub Div Relu Sigmoid Tanh LeakyRelu HardSwish BatchNormalization Identity Cast Gather Unsqueeze Sque"
    b"eze Flatten Slice ReduceMean Resize QuantizeLinear DequantizeLinear "
    # nodes, inputs and outputs of an ONNX graph
    b"\x08\x08\x12\7pytorch\x1a\x032.1:\xf8\2\n\xa6\1\n\5input\n\x0cconv1.weight\n\nconv1.bias\x12\x13/conv/Conv_outpu"
    b"t_0\x1a\n/conv/Conv\"\4Conv*\x12\n\x09dilations@\1@\1\xa0\1\7*\x0c\n\5group\x18\1\xa0\1\2*\x15\n\x0ckernel_shape"
    b"@\3@\3\xa0\1\7*\x11\n\4pads@\1@\1@\1@\1\xa0\1\7*\x10\n\7strides@\2@\2\xa0\1\7\n\x1c\n\1x\x12\1y\"\7Softmax*\x0b"
    b"\n\4axis\x18\1\xa0\1\2\n%\x12\x011\"\x08Constant*\x16\n\5value*\n\x08\3\x10\1J\4\0\0\x80?\xa0\1\4\n4\n\1x\n\1y"
    b"\x12\6output\"\4Gemm*\x0f\n\5alpha\x15\0\0\x80?\xa0\1\1*\x0d\n\6transB\x18\1\xa0\1\2\x12\nmain_graphZ\x1b\n\1x"
    b"\x12\x16\n\x14\x08\1\x12\x10\n\2\x08\1\n\2\x08\3\n\2\x08 \n\2\x08 Z\x0f\n\1y\x12\n\n\x08\x08\1\x12\4\n\2\x08\2b"
    b"\x18\n\6output\x12\x0e\n\x0c\x08\1\x12\x08\n\2\x08\1\n\2\x08\nB\4\n\0\x10\x0d"
)  # fmt: skip


def compress_mixed(plain: bytes) -> bytes:
    """Return the mixed stream of at most `MAX_MIXED_BYTES`."""
    return context_mixing.encode(plain, PRIMER)


def decompress_mixed(stream: bytes | memoryview, size_bytes: int, work: Work) -> bytes:
    """Return the content of a mixed stream, `size_bytes`, and pay for it.

    Raises:
        PackedFileError: it is longer than any, or takes too much time.
    """
    if size_bytes > MAX_MIXED_BYTES:
        raise damaged(f"a mixed stream of {size_bytes} bytes; {MAX_MIXED_BYTES} is the limit")
    work.spend(size_bytes * STEPS_PER_BYTE)
    return context_mixing.decode(stream, size_bytes, PRIMER)
