"""Matrix products."""

from __future__ import annotations

from edgecompress.convert.onnx.emission import Emission
from edgecompress.convert.onnx.operators.convolution import bias
from edgecompress.convert.onnx.operators.fused_activation import finish_real, store_real
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite.graph import Operator


def fully_connected(emission: Emission, operator: Operator) -> None:
    """FULLY_CONNECTED with weights [out, in]: a product of rows of `in` elements, whatever the input's shape."""
    if operator.options["weights_format"] != "DEFAULT":
        raise ConversionError(f"its weights are laid out as {operator.options['weights_format']}")
    source, weights, output = operator.inputs[0], operator.inputs[1], operator.outputs[0]
    width_out, width_in = emission.tensor(weights).shape
    rows = emission.tensor(source).size // width_in
    value = emission.node(
        "Gemm",
        emission.real_as(source, (rows, width_in)),
        emission.kernel(weights, (0, 1)),
        *bias(emission, operator.inputs[2:], source=source, weights=weights),
        transB=1,
    )
    value = finish_real(emission, operator, value)
    shape = emission.tensor(output).shape
    emission.store(output, value if shape == (rows, width_out) else emission.reshape(value, shape))


def batch_matmul(emission: Emission, operator: Operator) -> None:
    """BATCH_MATMUL over the last two axes, each side transposed before if its option says so."""
    sides = []
    for index, transposed in zip(operator.inputs, (operator.options["adj_x"], operator.options["adj_y"]), strict=True):
        value, rank = emission.real(index), len(emission.tensor(index).shape)
        swapped = (*range(rank - 2), rank - 1, rank - 2)
        sides.append(emission.node("Transpose", value, perm=swapped) if transposed else value)
    store_real(emission, operator, emission.node("MatMul", *sides))
