from __future__ import annotations

import numpy as np

from edgecompress.convert.onnx.emit import emit_onnx
from edgecompress.convert.onnx.litert.hard_swish import hard_swish_scale, hard_swish_table
from edgecompress.convert.onnx.litert.rounding_test import ALL_CODES, scheme
from edgecompress.convert.onnx.litert.sum import Codes
from edgecompress.testing.onnx_sessions import run_onnx
from edgecompress.testing.tflite_files import T, build, run_litert


def codes(values: dict) -> Codes:
    return Codes(np.float32(values["scale"]), values["zero_point"] + 128)


def test_the_table_is_litert_s_and_a_scale_for_it_is_found_nine_times_in_ten() -> None:
    found, tables = 0, 40
    for seed in range(tables):
        random = np.random.default_rng(seed)
        source, output = scheme(random), scheme(random)
        tflite = build([T([256], "INT8", **source), T([256], "INT8", **output)], [("HARD_SWISH", [0], [1], None)])
        (expected,) = run_litert(tflite, ALL_CODES)
        np.testing.assert_array_equal(hard_swish_table(codes(source), codes(output)).astype(int) - 128, expected)
        np.testing.assert_array_equal(run_onnx(emit_onnx(tflite), ALL_CODES)[0], expected)
        scale = hard_swish_scale(codes(source), codes(output))
        if scale is not None:
            found += 1
            assert abs(scale / source["scale"] - 1) <= 64 * 2.0**-17 + 2.0**-24
    assert 0.75 * tables < found < tables  # both forms were compared


def test_the_table_is_the_function_to_a_thousandth_of_a_code() -> None:
    source, output = Codes(np.float32(0.05), 100), Codes(np.float32(0.03), 10)
    numbers = 0.05 * (np.arange(256) - 100)
    exact = numbers * np.clip(numbers + 3, 0, 6) / 6 / 0.03 + 10
    # 16-bit factors: each of the two is off by 2^-16 of full scale at most, of a result below 2^8 codes; and rounding.
    assert np.abs(hard_swish_table(source, output) - np.clip(exact, 0, 255)).max() <= 0.5 + 2 * 2.0**8 * 2.0**-16
