"""Both runtimes on all codes, or on very many, with scales drawn at random: equal to the bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgecompress.convert.onnx.emit import emit_onnx
from edgecompress.convert.onnx.litert.rounding import pool_scale, slope
from edgecompress.testing.onnx_sessions import run_onnx
from edgecompress.testing.tflite_files import T, build, options, run_litert

ALL_CODES = np.arange(-128, 128, dtype=np.int8)


def scheme(random: np.random.Generator) -> dict[str, Any]:
    """Scales within a factor of 3 of each other, and zero points with codes on both sides."""
    return {"scale": float(0.03 * 3 ** random.uniform(-0.5, 0.5)), "zero_point": int(random.integers(-100, 101))}


def assert_equal(tflite: bytes, *inputs: np.ndarray) -> None:
    (expected,), (actual,) = run_litert(tflite, *inputs), run_onnx(emit_onnx(tflite), *inputs)
    assert expected.dtype == np.int8 and len(np.unique(expected)) > 10
    np.testing.assert_array_equal(actual, expected)


def unary(kind: str, table: Any = None, shape: tuple[int, ...] = (256,)) -> Callable[[np.random.Generator], bytes]:
    def make(random: np.random.Generator) -> bytes:
        tensors = [T(shape, "INT8", **scheme(random)), T(shape, "INT8", **scheme(random))]
        return build(tensors, [(kind, [0], [1], table)])

    return make


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(unary("LEAKY_RELU", options("LeakyReluOptions", alpha=0.1)), id="LEAKY_RELU"),
        pytest.param(unary("QUANTIZE"), id="QUANTIZE"),
        pytest.param(unary("HARD_SWISH"), id="HARD_SWISH"),
    ],
)
def test_functions_of_one_code(make: Callable[[np.random.Generator], bytes], seed: int) -> None:
    assert_equal(make(np.random.default_rng(seed)), ALL_CODES)


@pytest.mark.parametrize(("kind", "scale", "zero_point"), [("LOGISTIC", 1 / 256, -128), ("TANH", 1 / 128, 0)])
def test_functions_with_a_fixed_output_scale(kind: str, scale: float, zero_point: int) -> None:
    for seed in range(6):
        source = scheme(np.random.default_rng(seed))
        tensors = [T([256], "INT8", **source), T([256], "INT8", scale=scale, zero_point=zero_point)]
        assert_equal(build(tensors, [(kind, [0], [1], None)]), ALL_CODES)


def test_softmax() -> None:
    random = np.random.default_rng(0)
    shape = (500, 10)
    tensors = [T(shape, "INT8", **scheme(random)), T(shape, "INT8", scale=1 / 256, zero_point=-128)]
    tflite = build(tensors, [("SOFTMAX", [0], [1], options("SoftmaxOptions", beta=1.0))])
    assert_equal(tflite, random.integers(-128, 128, shape).astype(np.int8))


@pytest.mark.parametrize(("kernel", "padding"), [(2, "VALID"), (3, "SAME"), (4, "SAME"), (12, "VALID")])
def test_average_pools_round_halves_away_from_zero(kernel: int, padding: str) -> None:
    random = np.random.default_rng(kernel)
    size = 12 if padding == "SAME" else 12 // kernel
    same = scheme(random)
    table = options(
        "Pool2DOptions",
        padding=["SAME", "VALID"].index(padding),
        strideH=1 if padding == "SAME" else kernel,
        strideW=1 if padding == "SAME" else kernel,
        filterHeight=kernel,
        filterWidth=kernel,
    )
    tensors = [T([1, 12, 12, 200], "INT8", **same), T([1, size, size, 200], "INT8", **same)]
    tflite = build(tensors, [("AVERAGE_POOL_2D", [0], [1], table)])
    assert_equal(tflite, random.integers(-128, 128, (1, 12, 12, 200)).astype(np.int8))


def test_a_pool_scale_moves_halves_and_nothing_else() -> None:
    for count in (2, 4, 6, 16, 100, 144, 1024):
        totals = np.arange(-128 * count, 128 * count)
        away = np.sign(totals) * ((np.abs(totals) * 2 + count) // (2 * count))
        averages = (totals / count).astype(np.float32)
        np.testing.assert_array_equal(np.rint(averages / np.float32(pool_scale(count))), away)


@pytest.mark.parametrize("half_pixels", [False, True])
def test_bilinear_upsampling_by_two_rounds_halves_up(half_pixels: bool) -> None:
    random = np.random.default_rng(1)
    same = scheme(random)
    size = T([2], "INT32", data=np.array([12, 24], np.int32))
    tensors = [T([1, 6, 12, 40], "INT8", **same), size, T([1, 12, 24, 40], "INT8", **same)]
    table = options("ResizeBilinearOptions", halfPixelCenters=half_pixels)
    tflite = build(tensors, [("RESIZE_BILINEAR", [0, 1], [2], table)])
    assert_equal(tflite, random.integers(-128, 128, (1, 6, 12, 40)).astype(np.int8))


@pytest.mark.parametrize("axes", [[1, 2], [3], [1]])
def test_means(axes: list[int]) -> None:
    random = np.random.default_rng(2)
    shape = [1, 7, 6, 50]
    result = [size for axis, size in enumerate(shape) if axis not in axes]
    # Averages of random codes lie close together; the output's scale spreads them over many codes.
    source, output = {"scale": 0.0317, "zero_point": -4}, {"scale": 0.0051, "zero_point": 3}
    tensors = [
        T(shape, "INT8", **source),
        T([len(axes)], "INT32", data=np.array(axes, np.int32)),
        T(result, "INT8", **output),
    ]
    tflite = build(tensors, [("MEAN", [0, 1], [2], options("ReducerOptions"))])
    assert_equal(tflite, random.integers(-128, 128, shape).astype(np.int8))


@pytest.mark.parametrize("kind", ["MUL", "MAXIMUM", "MINIMUM"])
def test_operators_of_two_codes_on_all_pairs(kind: str) -> None:
    for seed in range(4):
        random = np.random.default_rng(seed)
        first, second, output = (scheme(random) for _ in range(3))
        if kind != "MUL":  # LiteRT compares codes, and wants one scale for all of them
            second = output = first
        shape = [1, 256, 256, 1]
        tensors = [T(shape, "INT8", **first), T(shape, "INT8", **second), T(shape, "INT8", **output)]
        a, b = (codes.reshape(shape) for codes in np.meshgrid(ALL_CODES, ALL_CODES))
        assert_equal(build(tensors, [(kind, [0, 1], [2], None)]), a, b)


def test_pixels_are_quantized_alike() -> None:
    # In units of such a scale pixels are halves, and the two ways to divide by it decide where they go.
    for scale, zero_point in [(2 / 255, 0), (2 / 255, -1), (1 / 127.5, -1), (1 / 255, -128), (0.00781724136, 0)]:
        tflite = build([T([256]), T([256], "INT8", scale=scale, zero_point=zero_point)], [("QUANTIZE", [0], [1], None)])
        assert_equal(tflite, (np.arange(256) / np.float32(127.5) - 1).astype(np.float32))


def test_a_slope_outside_of_fixed_point_is_left_to_plain_arithmetic() -> None:
    assert slope(np.float32(1), np.float32(1000), 1.0) is None
    assert slope(np.float32(1000), np.float32(1), 1.0) is None
    assert slope(np.float32(1), np.float32(1), -0.5) is None
