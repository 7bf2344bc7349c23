"""Integer inputs and outputs, whoever else reads them; where there is no scale, the operator is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgecompress.convert.targets import Io
from edgecompress.convert.tflite.io_types import set_io
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.testing.tflite_files import T, build, run_litert

SHAPE = (1, 6)
WIDE, NARROW = {"scale": 1 / 16, "zero_point": 3}, {"scale": 1 / 64, "zero_point": -5}
QUANTIZE, DEQUANTIZE, RELU = ("QUANTIZE", [0], [1], None), ("DEQUANTIZE", [2], [3], None), ("RELU", [1], [2], None)


def code(**scheme: Any) -> T:
    return T(SHAPE, "INT8", **scheme)


PLAIN = [T(SHAPE, name="given"), code(**WIDE), code(**WIDE), T(SHAPE, name="made")]
FILES = {
    "a chain": build(PLAIN, [QUANTIZE, RELU, DEQUANTIZE]),
    "a float operator reads the output": build(
        [*PLAIN, T(SHAPE, name="more")], [QUANTIZE, RELU, DEQUANTIZE, ("NEG", [3], [4], None)], outputs=[3]
    ),
    "an output twice": build(PLAIN, [QUANTIZE, RELU, DEQUANTIZE], outputs=[3, 3]),
    "an input that is an output": build(PLAIN, [QUANTIZE, RELU, DEQUANTIZE], outputs=[3, 0]),
    "an input of two scales": build(
        [*PLAIN, code(**NARROW), T(SHAPE, name="other")],
        [QUANTIZE, RELU, DEQUANTIZE, ("QUANTIZE", [0], [4], None), ("DEQUANTIZE", [4], [5], None)],
        outputs=[3, 5],
    ),
    "indices beside": build(
        [*PLAIN, T(SHAPE, "INT32", "indices"), T(SHAPE, "INT32", "negative")],
        [QUANTIZE, RELU, DEQUANTIZE, ("NEG", [4], [5], None)],
        outputs=[3, 5],
    ),
}


@pytest.mark.parametrize("io", ["int8", "uint8"])
@pytest.mark.parametrize("name", FILES)
def test_the_same_numbers_as_with_float_ends(name: str, io: Io) -> None:
    content = FILES[name]
    made = set_io(content, io)
    before, after = parse_graph(content), parse_graph(made)
    numbers = {"float32": np.arange(-3, 3, dtype=np.float32).reshape(SHAPE) / 16}  # multiples of both scales
    numbers["int32"] = np.arange(6, dtype=np.int32).reshape(SHAPE)
    wanted = run_litert(content, *(numbers[before.tensors[index].dtype] for index in before.inputs))
    given = []
    for old, new in zip(before.inputs, after.inputs, strict=True):
        tensor, array = after.tensors[new], numbers[before.tensors[old].dtype]
        assert tensor.dtype == (io if array.dtype.kind == "f" else "int32")
        scheme = tensor.quant
        given.append((array / scheme.scales[0] + scheme.zero_points[0]).astype(tensor.dtype) if scheme else array)
    for expected, index, found in zip(wanted, after.outputs, run_litert(made, *given), strict=True):
        scheme = after.tensors[index].quant
        assert found.dtype == (io if expected.dtype.kind == "f" else "int32")
        real = (found.astype(float) - scheme.zero_points[0]) * scheme.scales[0] if scheme else found
        np.testing.assert_array_equal(real, expected)


@pytest.mark.parametrize("io", ["int8", "uint8"])
def test_what_has_no_scale_is_named(io: Io) -> None:
    floats = [T(SHAPE, name="given"), T(SHAPE, name="net/rise/Relu"), T(SHAPE, "INT8", **WIDE), T(SHAPE, name="made")]
    first = build(floats, [("RELU", [0], [1], None), ("QUANTIZE", [1], [2], None), DEQUANTIZE])
    with pytest.raises(ConversionError, match=rf"input 'given' cannot be {io}: 'rise' \(RELU\) computes in float32"):
        set_io(first, io)
    last = build([*PLAIN, T(SHAPE, name="net/last/Neg")], [QUANTIZE, RELU, DEQUANTIZE, ("NEG", [3], [4], None)])
    with pytest.raises(ConversionError, match=rf"output 'net/last/Neg' cannot be {io}: 'last' \(NEG\) computes in fl"):
        set_io(last, io)
    unread = build([*PLAIN, T(SHAPE, name="unread")], [QUANTIZE, RELU, DEQUANTIZE], inputs=[0, 4], outputs=[3])
    with pytest.raises(ConversionError, match=f"input 'unread' cannot be {io}: no operator reads it"):
        set_io(unread, io)
