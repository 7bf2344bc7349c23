"""Comparisons, logic and choices in ONNX Runtime, as LiteRT computes them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from edgecompress.convert.onnx.emit import emit_onnx
from edgecompress.convert.onnx.operators.choices import CONDITIONS
from edgecompress.convert.tflite.rules.operators_test import CASES, content
from edgecompress.errors import ConversionError
from edgecompress.testing.onnx_sessions import start
from edgecompress.testing.tflite_files import T, build, run_litert


@pytest.mark.parametrize("kind", [*CONDITIONS, "SELECT_V2"])
def test_the_same_choices(kind: str) -> None:
    random, file = np.random.default_rng(0), content(kind)
    values = [random.integers(0, 2, tensor.shape).astype(tensor.dtype.lower()) for tensor in CASES[kind][0]]
    model = onnx.load_from_string(emit_onnx(file))
    given = {each.name: value for each, value in zip(model.graph.input, values, strict=True)}
    (found,), (wanted,) = start(model).run(None, given), run_litert(file, *values)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


def test_a_condition_of_rows_is_refused() -> None:
    with pytest.raises(
        ConversionError, match=r"SELECT 'tensor3': its condition of shape \(2,\) chooses among \(2, 3\)"
    ):
        emit_onnx(content("SELECT"))


def test_codes_are_not_compared() -> None:
    tensors = [T([2], "INT8", scale=0.5), T([2], "INT8", scale=0.25), T([2], "BOOL")]
    with pytest.raises(ConversionError, match="GREATER 'tensor2': it compares codes"):
        emit_onnx(build(tensors, [("GREATER", [0, 1], [2], None)]))
