"""Builds small `.tflite` files for tests with the schema's own object classes, and shows that LiteRT runs them."""

from __future__ import annotations

import numpy as np

from edgecompress.testing.tflite_files import (
    T,
    build,
    options,
    run_litert,
)


def test_litert_runs_what_is_built() -> None:
    two = np.array([2.0], np.float32)
    tflite = build([T([1, 3]), T([1], data=two), T([1, 3])], [("MUL", [0, 1], [2], options("MulOptions"))])
    (result,) = run_litert(tflite, np.array([[1, 2, 3]], np.float32))
    assert result.tolist() == [[2, 4, 6]]
