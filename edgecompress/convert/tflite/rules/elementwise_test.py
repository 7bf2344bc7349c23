"""Each elementwise operator and type, allowed where the installed LiteRT runs it and refused where it does not."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from edgecompress.convert.tflite.check import check_tflite
from edgecompress.convert.tflite.rules.elementwise import BINARY, FIXED, UNARY
from edgecompress.convert.tflite.rules.versions import NEWEST
from edgecompress.errors import ConversionError
from edgecompress.testing.tflite_files import T, model_table, options, pack, run_litert

TABLES = {
    "ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "DIV": "DivOptions", "GELU": "GeluOptions",
    "LEAKY_RELU": "LeakyReluOptions", "SOFTMAX": "SoftmaxOptions", "L2_NORMALIZATION": "L2NormOptions",
}  # fmt: skip
CODES = {"int8": 0, "uint8": 128, "int16": 0}  # and their zero points
DTYPES = ("float32", "int32", *CODES)


def content(kind: str, dtype: str, *, shape: tuple[int, ...] = (1, 2, 4), scale: float | None = None) -> bytes:
    count = 1 if kind in UNARY else 2
    codes = {"scale": 0.5, "zero_point": CODES[dtype]} if dtype in CODES else {}
    fixed, zero_point = FIXED.get(kind, {}).get(dtype, (0.5, CODES.get(dtype, 0)))
    made = {"scale": scale or fixed, "zero_point": zero_point} if dtype in CODES else {}
    tensors = [T([1, 2, 4], dtype.upper(), f"x{place}", **codes) for place in range(count)]
    fields = {"beta": 1.0} if kind == "SOFTMAX" else {}
    table = options(TABLES[kind], **fields) if kind in TABLES else None
    model = model_table([*tensors, T(shape, dtype.upper(), "y", **made)], [(kind, range(count), [count], table)])
    model.operatorCodes[0].version = NEWEST[kind]
    return pack(model)


@pytest.mark.parametrize("kind", [*UNARY, *BINARY])
def test_types(kind: str) -> None:
    for dtype in DTYPES:
        file, inputs = content(kind, dtype), [np.ones((1, 2, 4), dtype)] * (1 if kind in UNARY else 2)
        if dtype in {**UNARY, **BINARY}[kind]:
            assert check_tflite(file) == ()
            run_litert(file, *inputs)
        else:
            with pytest.raises(ConversionError, match=f"{kind} 'y': its input is {dtype}"):
                check_tflite(file)
            with pytest.raises((RuntimeError, ValueError)):
                run_litert(file, *inputs)


@pytest.mark.parametrize("kind", [*UNARY, *BINARY])
def test_another_shape_is_refused(kind: str) -> None:
    with pytest.raises(ConversionError, match=rf"{kind} 'y': its output has the shape \(1, 2, 5\)"):
        check_tflite(content(kind, "float32", shape=(1, 2, 5)))


@pytest.mark.parametrize("kind", FIXED)
def test_another_range_is_refused(kind: str) -> None:
    for dtype in FIXED[kind]:
        with pytest.raises(ConversionError, match=f"{kind} 'y': its output has the scale 0.3"):
            check_tflite(content(kind, dtype, scale=0.3))


@pytest.mark.parametrize("kind", ["MAXIMUM", "MINIMUM"])
def test_codes_of_two_scales_are_not_compared(kind: str) -> None:
    with pytest.raises(ConversionError, match=f"{kind} 'y': 'x0' has the scale 0.5 .* where 'y' has the scale 0.3"):
        check_tflite(content(kind, "int8", scale=0.3))


@pytest.mark.parametrize("by_shifts", [True, False], ids=["shifts", "any scales"])
@pytest.mark.parametrize("kind", ["ADD", "SUB"])
def test_sums_of_16_bits_are_allowed_where_they_run(kind: str, by_shifts: bool) -> None:
    refused = 0
    for scales in product((2**-15, 1 / 32767, 2**-14, 2**-13, 0.3 / 32767), repeat=3):
        tensors = [T([1, 2, 4], "INT16", name, scale=scale) for name, scale in zip("abc", scales, strict=True)]
        file = pack(model_table(tensors, [(kind, [0, 1], [2], options(TABLES[kind], potScaleInt16=by_shifts))]))
        try:
            run_litert(file, *[np.ones((1, 2, 4), np.int16)] * 2)
        except (RuntimeError, ValueError):
            refused += 1
            with pytest.raises(ConversionError, match=f"{kind} 'c': its scales are powers of two, .* octaves above"):
                check_tflite(file)
        else:
            assert check_tflite(file) == ()
    assert (refused > 0) == by_shifts
