"""Where a TFLite operator has its kernels, and how many multiply-adds it does with them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgecompress.formats.tflite.graph import Operator

Shape = tuple[int, ...]

# Where kernels stand among the inputs of the operators that compute with some.
KERNELS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BATCH_MATMUL"), (1,)),
    **dict.fromkeys(("CONV_3D", "CONV_3D_TRANSPOSE", "PRELU", "EMBEDDING_LOOKUP"), (1,)),
    "GATHER": (0,),
    "SVDF": (1, 2),
    "RNN": (1, 2),
    "UNIDIRECTIONAL_SEQUENCE_RNN": (1, 2),
    "BIDIRECTIONAL_SEQUENCE_RNN": (1, 2, 5, 6, 10, 11),
    "LSTM": (*range(1, 9), 16),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (*range(1, 9), 16),
    "BIDIRECTIONAL_SEQUENCE_LSTM": (*range(1, 9), 16, *range(18, 26), 33, *range(40, 48)),
}
# Other trained numbers: biases, peepholes, gains of a layer normalization.
OTHERS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "CONV_3D"), (2,)),
    **dict.fromkeys(("TRANSPOSE_CONV", "CONV_3D_TRANSPOSE", "SVDF", "RNN", "UNIDIRECTIONAL_SEQUENCE_RNN"), (3,)),
    "BIDIRECTIONAL_SEQUENCE_RNN": (3, 7),
    "LSTM": (*range(9, 16), 17, *range(20, 24)),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (*range(9, 16), 17, *range(20, 24)),
    "BIDIRECTIONAL_SEQUENCE_LSTM": (*range(9, 16), 17, *range(26, 33), 34),
}
_BASIC_LSTM_INPUTS = 5  # data, activation, weights, bias, state: all gates' kernels are one
_STEPS = {"SVDF": 1, "RNN": 1, "LSTM": 1}  # axes of the input that run over steps and batch; of sequences two
_SEQUENCES = {"UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_RNN"} | {
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "BIDIRECTIONAL_SEQUENCE_LSTM",
}
# Custom operators that are known to multiply no matrices; of others nobody can say.
_WITHOUT_WORK = {
    *("LceQuantize", "LceDequantize", "LceBMaxPool2d", "TFLite_Detection_PostProcess"),
    *("MaxPoolingWithArgmax2D", "MaxUnpooling2D", "Densify"),
}
_UNKNOWN_WORK = {"STABLEHLO_CONVOLUTION", "STABLEHLO_DOT_GENERAL", "STABLEHLO_CUSTOM_CALL", "STABLEHLO_COMPOSITE"}
_UNKNOWN_WORK |= {"DELEGATE", "CALL", "IF", "WHILE", "STABLEHLO_WHILE"}


def kernel_positions(operator: Operator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return where an operator has its kernels, and where its other trained numbers."""
    if operator.kind == "LSTM" and len(operator.inputs) == _BASIC_LSTM_INPUTS:
        return (2,), (3,)
    return KERNELS.get(operator.kind, ()), OTHERS.get(operator.kind, ())


def multiply_adds(operator: Operator, inputs: Sequence[Shape | None], output: Shape | None) -> int | None:
    """Return the multiply-adds of one run, by the shapes of the inputs (None: left out) and of the first output.

    None where they cannot be told: what an operator calls, or a custom one computes, is not in its shapes.
    """
    kind = operator.kind
    if kind in _UNKNOWN_WORK or kind.startswith("BUILTIN_"):
        return None
    if kind == "CUSTOM":
        return 0 if operator.custom_code in _WITHOUT_WORK else None
    if kind in _SEQUENCES or kind in _STEPS:
        data = inputs[0] if inputs else None
        kernels = [inputs[each] for each in kernel_positions(operator)[0] if each < len(inputs)]
        if data is None:
            return None
        return math.prod(data[: _STEPS.get(kind, 2)]) * sum(math.prod(each) for each in kernels if each is not None)
    return _product(operator, inputs, output)


def _product(operator: Operator, inputs: Sequence[Shape | None], output: Shape | None) -> int | None:
    kind = operator.kind
    if kind not in KERNELS or kind in ("PRELU", "EMBEDDING_LOOKUP", "GATHER"):
        return 0
    source, kernel = (inputs[each] if each < len(inputs) else None for each in (0, 1))
    if output is None or not source or not kernel:
        return None
    if kind == "CONV_2D":
        return math.prod(output) * math.prod(kernel[1:])  # [out, height, width, in]
    if kind == "DEPTHWISE_CONV_2D":
        return math.prod(output) * math.prod(kernel[1:3])  # [1, height, width, out]
    if kind == "FULLY_CONNECTED":
        return math.prod(output) * math.prod(kernel[1:])  # [out, in]
    if kind == "CONV_3D":
        return math.prod(output) * math.prod(kernel[:4])  # [depth, height, width, in, out]
    if kind == "BATCH_MATMUL":
        return math.prod(output) * (source[-2:][0] if operator.options.get("adj_x") else source[-1])
    data = inputs[2] if len(inputs) > 2 else None  # of the transposed ones, each element spreads over the kernel
    if data is None:
        return None
    spread = kernel[:3] if kind == "TRANSPOSE_CONV" else kernel[:4]  # [out, h, w, in]; [depth, h, w, out, in]
    return math.prod(data) * math.prod(spread)
