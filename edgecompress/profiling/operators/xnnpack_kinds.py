"""What XNNPACK makes of TFLite's operators, as its own profile calls it."""

from __future__ import annotations

from edgecompress.formats.tflite.graph import Graph, Operator

_UNARY, _BINARY = "Unary Elementwise", "Binary Elementwise"
# The kinds of which an operator becomes one, or as many as it has tensors to copy.
_KINDS: dict[str, tuple[str, ...]] = {
    "ABS": ("Abs", _UNARY),
    "ADD": ("Add", _BINARY),
    "AVERAGE_POOL_2D": ("Average Pooling",),
    "BATCH_MATMUL": ("Batch Matrix Multiply", "Fully Connected", "Dynamic Fully Connected"),
    "CEIL": ("Ceiling", _UNARY),
    "CONCATENATION": ("Copy",),
    "CONV_2D": ("Convolution", "Fully Connected", "Dynamic Fully Connected"),
    "COS": ("Cosine", _UNARY),
    "DEPTHWISE_CONV_2D": ("Convolution",),
    "DEPTH_TO_SPACE": ("Depth To Space",),
    "DIV": ("Divide", _BINARY),
    "ELU": ("ELU", _UNARY),
    "EXP": ("Exp", _UNARY),
    "FLOOR": ("Floor", _UNARY),
    "FULLY_CONNECTED": ("Fully Connected", "Dynamic Fully Connected", "Batch Matrix Multiply"),
    "GELU": ("GELU", "ApproxGELU", _UNARY),
    "HARD_SWISH": ("HardSwish", _UNARY),
    "LEAKY_RELU": ("LeakyReLU", _UNARY),
    "LOG": ("Log", _UNARY),
    "LOGISTIC": ("Sigmoid", _UNARY),
    "MAXIMUM": ("Maximum", _BINARY),
    "MAX_POOL_2D": ("Max Pooling",),
    "MEAN": ("Mean",),
    "MINIMUM": ("Minimum", _BINARY),
    "MUL": ("Multiply", _BINARY),
    "NEG": ("Negate", _UNARY),
    "POW": ("Power", _BINARY),
    "PRELU": ("PReLU", _BINARY),
    "REDUCE_MAX": ("Reduce Max",),
    "REDUCE_MIN": ("Reduce Min",),
    "RESIZE_BILINEAR": ("Resize Bilinear",),
    "ROUND": ("Bankders Rounding", _UNARY),  # sic
    "RSQRT": ("Reciprocal Square Root", _UNARY),
    "SIGN": ("Sign", _UNARY),
    "SIN": ("Sine", _UNARY),
    "SLICE": ("Slice",),
    "SOFTMAX": ("Softmax",),
    "SPACE_TO_DEPTH": ("Space To Depth",),
    "SPLIT": ("Slice", "Copy"),
    "SQRT": ("Square Root", _UNARY),
    "SQUARE": ("Square", _UNARY),
    "SQUARED_DIFFERENCE": ("Squared Difference", _BINARY),
    "STRIDED_SLICE": ("Slice",),
    "SUB": ("Subtract", _BINARY),
    "SUM": ("Sum",),
    "TANH": ("TanH", _UNARY),
    "TRANSPOSE_CONV": ("Deconvolution",),
}  # fmt: skip
# Those that XNNPACK can do without: folded into what is before or behind them, or done once for all.
_OPTIONAL: dict[str, tuple[str, ...]] = {
    "DENSIFY": (),
    "DEQUANTIZE": ("Convert", "Copy"),
    "EXPAND_DIMS": ("Static Reshape", "Static Expand Dims", "Copy"),
    "PAD": ("Constant Pad",),
    "PADV2": ("Constant Pad",),
    "QUANTIZE": ("Convert", "Copy"),
    "RELU": ("Clamp", _UNARY),
    "RELU6": ("Clamp", _UNARY),
    "RELU_0_TO_1": ("Clamp", _UNARY),
    "RELU_N1_TO_1": ("Clamp", _UNARY),
    "RESHAPE": ("Static Reshape", "Copy"),
    "SQUEEZE": ("Static Reshape", "Copy"),
    "TRANSPOSE": ("Transpose", "Copy"),
}
_MULTIPLIED = {"FULLY_CONNECTED", "CONV_2D", "BATCH_MATMUL", "TRANSPOSE_CONV"}
_MANY = {"CONCATENATION", "SPLIT"}
MOST_BESIDE = 2


def most_events(operator: Operator) -> int:
    """How many of XNNPACK's operators one of TFLite's may become."""
    return (max(len(operator.inputs), len(operator.outputs)) if operator.kind in _MANY else 1) + MOST_BESIDE


def becomes(graph: Graph, operator: Operator, events: tuple[str, ...]) -> bool:
    """Whether an operator may be just these, in this order, such as "Convolution (NHWC, F32) IGEMM"."""
    if not events:
        return operator.kind in _OPTIONAL
    own = _KINDS.get(operator.kind, _OPTIONAL.get(operator.kind, ()))
    names = [event.partition(" (")[0] for event in events]
    own_count = sum(name in own for name in names)
    if own_count < 1 or own_count > (most_events(operator) - MOST_BESIDE):
        return False
    beside = _beside(operator)
    for name, event in zip(names, events, strict=True):
        if name in own:
            if name == "Convolution" and not _fits_convolution(graph, operator, event):
                return False
        elif name not in beside:
            return False
    return True


def _beside(operator: Operator) -> set[str]:
    """What may come with an operator's own: its activation, and changes of type or form of what it multiplies."""
    found = {"Clamp", _UNARY} if operator.options.get("fused_activation_function", "NONE") != "NONE" else set()
    if operator.kind in _MULTIPLIED:
        found |= {"Convert", "Static Reshape", "Pack LH"}
    return found | ({"Convert"} if operator.kind in {"AVERAGE_POOL_2D", "MEAN", "SUM"} else set())


def _fits_convolution(graph: Graph, operator: Operator, event: str) -> bool:
    """XNNPACK tells convolutions with a channel a group from others by the end of the name."""
    kernel = graph.tensors[operator.inputs[1]].shape if len(operator.inputs) > 1 and operator.inputs[1] >= 0 else ()
    source = graph.tensors[operator.inputs[0]].shape
    if len(kernel) != 4 or len(source) != 4:
        return True
    if operator.kind == "CONV_2D":
        return not event.endswith("DWConv") or kernel[3] == 1
    return not event.endswith("GEMM") or kernel[3] != source[3]
