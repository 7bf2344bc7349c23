"""Sums of products: the types and scales of weights and biases, and dense layers."""

from __future__ import annotations

import numpy as np

from edgecompress.convert.tflite.rules.node import (
    Misfit,
    Node,
    require,
    require_codes,
    require_shape,
    require_type,
    rules,
    shape_of,
)
from edgecompress.formats.tflite.graph import Tensor

# Converters that take ranges from training round scales on other ways than one product: some 2^-20 were seen. 2^-16 of
# a bias is no step of a result of 8 bits, which has 2^8.
_BIAS_TOLERANCE = 2.0**-16
_SIGNED = ("int8", "int4", "int2")
# type of the input: those of weights, bias and output; weights in codes beside float32 are of dynamic range
_FORMS = {
    "float32": (("float32", *_SIGNED, "uint8"), ("float32",), ("float32",)),
    "int8": (_SIGNED, ("int32",), ("int8", "int16")),
    "int16": (_SIGNED, ("int64", "int32"), ("int16",)),
    "uint8": (("uint8",), ("int32",), ("uint8",)),
}


def require_product(source: Tensor, weights: Tensor, bias: Tensor | None, output: Tensor, *, axis: int) -> None:
    """Input, weights, bias and output are of one form; `axis` is that of the weights along which scales may differ."""
    require_type(source, tuple(_FORMS), "its input")
    weight_types, bias_types, output_types = _FORMS[source.dtype]
    where = f"beside an input of {source.dtype} "
    require_type(weights, weight_types, f"{where}its kernel")
    require_type(output, output_types, f"{where}its output")
    require_codes(source, "its input")
    require_codes(output, "its output")
    if weights.dtype != "float32":
        _require_weights(weights, axis)
    if bias is None:
        return
    require_type(bias, bias_types, f"{where}its bias")
    if source.quant is not None and weights.quant is not None and source.dtype != "float32":
        _require_bias(source, weights, bias)


def _require_weights(weights: Tensor, axis: int) -> None:
    require(weights.quant is not None, f"its kernel is {weights.dtype} without a scale")
    if weights.quant is None or weights.dtype == "uint8":
        return
    require(
        not any(weights.quant.zero_points), f"its kernel has the zero points {set(weights.quant.zero_points)}, not 0"
    )
    require(
        weights.quant.axis in (None, axis), f"its kernel has scales along axis {weights.quant.axis}; {axis} is expected"
    )


def _require_bias(source: Tensor, weights: Tensor, bias: Tensor) -> None:
    if bias.quant is None or source.quant is None or weights.quant is None:
        raise Misfit(f"its bias is {bias.dtype} without a scale")
    require(not any(bias.quant.zero_points), f"its bias has the zero points {set(bias.quant.zero_points)}, not 0")
    wanted, found = source.quant.scales[0] * np.array(weights.quant.scales), np.array(bias.quant.scales)
    fits = found.size in (1, wanted.size) and np.allclose(found, wanted, rtol=_BIAS_TOLERANCE, atol=0)
    require(
        bool(fits),
        f"its bias has {found.size} scales from {found.min():g} to {found.max():g}, where those of input and kernel "
        f"multiply to {wanted.size} from {wanted.min():g} to {wanted.max():g}",
    )


def require_bias_size(bias: Tensor | None, outputs: int) -> None:
    """A bias has one number for each output channel."""
    if bias is not None:
        require(bias.size == outputs, f"its bias has {bias.size} numbers for {outputs} outputs")


def _dense_types(node: Node) -> None:
    require_product(node.input(0), node.input(1), node.optional(2), node.output, axis=0)


def _dense_shapes(node: Node) -> None:
    """N x I numbers in whatever shape, O x I weights, N x O numbers."""
    source, weights = node.input(0), node.input(1)
    require(len(weights.shape) == 2, f"its kernel has {len(weights.shape)} axes; 2 are expected")
    outputs, inputs = shape_of(weights)
    require_bias_size(node.optional(2), outputs)
    shape_of(source)
    require(inputs > 0 and source.size % inputs == 0, f"its input has {source.size} numbers, in rows of {inputs}")
    found = shape_of(node.output)
    require(
        found[-1:] == (outputs,) and node.output.size == source.size // inputs * outputs,
        f"its output has the shape {found}, for {source.size // inputs} rows of {outputs} numbers",
    )


def _batch_types(node: Node) -> None:
    left, right, output = node.input(0), node.input(1), node.output
    forms = {
        "float32": ({"float32", "int8"}, {"float32"}),
        "int8": ({"int8"}, {"int8", "int32"}),
        "int16": ({"int16", "int8"}, {"int16"}),
        "int32": ({"int32"}, {"int32"}),
    }
    require_type(left, tuple(forms), "its first input")
    rights, outputs = forms[left.dtype]
    require(right.dtype in rights, f"beside an input of {left.dtype} its other input is {right.dtype}")
    require(output.dtype in outputs, f"beside an input of {left.dtype} its output is {output.dtype}")
    require_codes(left, "its first input")
    require_codes(output, "its output")


def _batch_shapes(node: Node) -> None:
    left, right = (list(shape_of(node.input(place))) for place in (0, 1))
    require(min(len(left), len(right)) >= 2, f"its inputs have the shapes {left} and {right}; 2 axes are needed")
    rows, inner = left[-2:][:: -1 if node.option("adj_x") else 1]
    other, columns = right[-2:][:: -1 if node.option("adj_y") else 1]
    require(inner == other, f"its inputs' shapes {left} and {right} do not multiply")
    try:
        outer = np.broadcast_shapes(tuple(left[:-2]), tuple(right[:-2]))
    except ValueError:
        raise Misfit(f"its inputs' shapes {left} and {right} do not fit together") from None
    require_shape(node.output, (*outer, rows, columns))


RULES = {
    "FULLY_CONNECTED": rules(range(2, 4), _dense_types, _dense_shapes),
    "BATCH_MATMUL": rules(2, _batch_types, _batch_shapes),
}
