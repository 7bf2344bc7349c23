from __future__ import annotations

import numpy as np
import pytest

from edgecompress.convert.onnx.emit import emit_onnx
from edgecompress.convert.onnx.litert.rounding_test import ALL_CODES, scheme
from edgecompress.convert.onnx.litert.sum import Codes, sum_like_litert
from edgecompress.testing.onnx_sessions import run_onnx
from edgecompress.testing.tflite_files import T, build, options, run_litert

SHAPE = [1, 256, 256, 1]
PAIRS = [codes.reshape(SHAPE) for codes in np.meshgrid(ALL_CODES, ALL_CODES)]


def addition(seed: int) -> bytes:
    random = np.random.default_rng(seed)
    tensors = [T(SHAPE, "INT8", **scheme(random)) for _ in range(3)]
    return build(tensors, [("ADD", [0, 1], [2], options("AddOptions"))])


@pytest.mark.parametrize("seed", range(16))
def test_all_pairs_of_codes_are_added_as_litert_does(seed: int) -> None:
    tflite = addition(seed)
    (expected,), (actual,) = run_litert(tflite, *PAIRS), run_onnx(emit_onnx(tflite), *PAIRS)
    assert len(np.unique(expected)) > 100
    np.testing.assert_array_equal(actual, expected)


def test_the_scales_name_the_multipliers_of_fixed_point() -> None:
    first, second, output = Codes(np.float32(0.011), 3), Codes(np.float32(0.023), 130), Codes(np.float32(0.03), 128)
    form = sum_like_litert(first, second, output)
    # The larger ratio is 0.023 / 0.03 = 0.77, of which 2^21 is the 21-bit multiplier 1,607,816.
    unit = 2.0**-21
    for scale, given in ((form.first_scale, first.scale), (form.second_scale, second.scale)):
        multiplier = round(float(given / output.scale) / unit)
        assert abs(float(scale / output.scale) / unit - multiplier) <= 0.25
        assert abs(float(scale / given) - 1) < 2.0**-19


def test_halves_that_no_scale_moves_apart_cost_no_search() -> None:
    # (a + b) / 2: every other pair is a half. LiteRT sends all of them up, ONNX Runtime to the even code.
    one, two = Codes(np.float32(0.5), 128), Codes(np.float32(1.0), 128)
    form = sum_like_litert(one, one, two)
    assert (form.first_scale, form.second_scale) == (0.5, 0.5)
