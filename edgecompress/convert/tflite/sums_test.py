"""Sums and differences of clipped activations: their scales are powers of two, and the int16x8 file runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecompress.convert.conversion import Source, convert
from edgecompress.convert.targets import parse_target
from edgecompress.convert.tflite.sums import with_any_scales
from edgecompress.environment import load_tf_keras
from edgecompress.formats.tflite.file import parse_graph, read_graph
from edgecompress.testing.tflite_files import T, model_table, options, pack

INPUTS = np.random.default_rng(3).uniform(-4, 4, (64, 6)).astype(np.float32)


def layers() -> Any:
    return load_tf_keras().layers


def added(one: Any, two: Any) -> Any:
    return layers().Add()([one, two])


def subtracted(one: Any, two: Any) -> Any:
    return layers().Subtract()([one + one, one])  # finer than what it is taken from


def relu_of_sum(one: Any, two: Any) -> Any:
    return layers().ReLU()(added(one, two))


@pytest.mark.parametrize("combined", [added, subtracted, relu_of_sum])
def test_scales_that_are_powers_of_two(combined: Callable[[Any, Any], Any], tmp_path: Path) -> None:
    load_tf_keras().utils.set_random_seed(0)
    numbers = load_tf_keras().Input((6,), name="numbers")
    model = load_tf_keras().Model(numbers, combined(*(layers().ReLU(sign)(numbers * sign) for sign in (1.0, 2.0))))
    (made,) = convert(Source("m", model, "test"), (parse_target("tflite:int16x8"),), tmp_path, calibration=(INPUTS,))
    graph = read_graph(made.path)
    sums = [operator for operator in graph.operators if operator.kind in ("ADD", "SUB")]
    assert sums and not any(operator.options["pot_scale_int16"] for operator in sums)
    scales = [graph.tensors[index].quant.scales[0] for sum_ in sums for index in (*sum_.inputs, *sum_.outputs)]
    assert any(abs(np.log2(scale) - round(np.log2(scale))) < 1e-3 for scale in scales)
    assert made.agreement[0].signal_to_noise_db > 60  # sixteen bits; one step in 2^15 is 90


def test_only_sums_of_int16_are_changed() -> None:
    def content(dtype: str, table: Any) -> bytes:
        codes = {"scale": 0.5, "zero_point": 0} if dtype != "FLOAT32" else {}
        tensors = [T([1, 4], dtype, name, **codes) for name in "abc"]
        return pack(model_table(tensors, [("ADD", [0, 1], [2], table)]))

    for table in (None, options("AddOptions", fusedActivationFunction=1)):
        (operator,) = parse_graph(with_any_scales(content("INT16", table))).operators
        assert operator.options == {
            "pot_scale_int16": False, "fused_activation_function": "RELU" if table else "NONE"
        }  # fmt: skip
    for dtype in ("FLOAT32", "INT8"):
        assert with_any_scales(content(dtype, None)) == content(dtype, None)
