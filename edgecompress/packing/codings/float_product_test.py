from __future__ import annotations

import numpy as np

from edgecompress.packing.codings.float_product import multiply, step


def test_products_are_rounded_to_float32() -> None:
    values = np.array([1.1, -3.3, 0.0], np.float32)
    exact = values.astype(np.float64) * np.float64(np.float32(0.7))
    assert multiply(values, np.float32(0.7)).tolist() == exact.astype(np.float32).tolist()
    assert multiply(values, np.float32(0.7)).dtype == np.float32


def test_what_machines_treat_differently_is_zero_with_its_sign() -> None:
    values = np.array([np.inf, np.nan, 1e38, 1e-38, -1e-38], np.float32)
    tenfold = np.float32(1e-38) * np.float32(10)
    assert multiply(values, np.float32(10)).tolist() == [0, 0, 0, tenfold, -tenfold]
    assert multiply(values, np.float32(0.5)).view(np.uint32)[3:].tolist() == [0, 1 << 31]
    assert multiply(np.zeros(1, np.float32), np.float32(-2)).view(np.uint32).tolist() == [1 << 31]


def test_steps_wrap_around_as_integers_do() -> None:
    found = step(np.zeros(3, np.float32), np.array([1, 0xFF, 0x80], np.uint8)).view("<u4")
    assert found.tolist() == [1, 0xFFFFFFFF, 0xFFFFFF80]
