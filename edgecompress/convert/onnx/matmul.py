"""Matrix products."""

from __future__ import annotations

from edgecompress.convert.onnx.convolution import bias
from edgecompress.convert.onnx.emission import Emission
from edgecompress.convert.onnx.fused_activation import finish, store_result
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite_graph import Operator


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
        *bias(emission, operator, position=2),
        transB=1,
    )
    value = finish(emission, operator, value)
    shape = emission.tensor(output).shape
    emission.store(output, value if shape == (rows, width_out) else emission.reshape(value, shape))


def batch_matmul(emission: Emission, operator: Operator) -> None:
    """BATCH_MATMUL of the last two axes, each side transposed before if its option says so."""
    sides = []
    for index, transposed in zip(operator.inputs, (operator.options["adj_x"], operator.options["adj_y"]), strict=True):
        rank = len(emission.tensor(index).shape)
        swap = (*range(rank - 2), rank - 1, rank - 2)
        value = emission.real(index)
        sides.append(emission.node("Transpose", value, perm=swap) if transposed else value)
    store_result(emission, operator, emission.node("MatMul", *sides))
