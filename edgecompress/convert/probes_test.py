"""Inputs to compare on: reproducible, in the range of the data, and within the tables that they index."""

from __future__ import annotations

import numpy as np

from edgecompress.convert.probes import calibration_probes, index_limits, noise_probes
from edgecompress.formats.tflite_graph import Graph, Operator, Tensor
from edgecompress.values import Preprocessing, TensorSpec

IMAGE = TensorSpec("image", (1, 4, 4, 3), "float32")


def test_noise_fills_the_range_that_pixels_are_mapped_to() -> None:
    preprocessing = Preprocessing(4, 4, 3, scale=(1.0, 0.5, 2.0), offset=(-10.0, 0.0, 0.0))
    (array,) = noise_probes((IMAGE,), (2,), preprocessing=preprocessing, calibration=None).arrays
    assert -10 <= array.min() < 0 and 400 < array.max() <= 510
    again = noise_probes((IMAGE,), (2,), preprocessing=preprocessing, calibration=None)
    assert np.array_equal(array, again.arrays[0]) and again.kind == "noise"


def test_calibration_samples_tell_the_range_better() -> None:
    samples = np.full((2, 4, 4, 3), 3.0, np.float32)
    samples[0] = 1.0
    (array,) = noise_probes((IMAGE,), (2,), preprocessing=Preprocessing(4, 4, 3), calibration=(samples,)).arrays
    assert 1 <= array.min() < array.max() <= 3


def test_integers_stay_below_their_limits_and_truth_values_are_both() -> None:
    specs = (TensorSpec("words", (1, 300), "int32"), TensorSpec("mask", (1, 300), "bool"))
    words, mask = noise_probes(specs, (7, 2), preprocessing=None, calibration=None).arrays
    assert words.dtype == np.int32 and set(words.ravel()) == set(range(7)) and set(mask.ravel()) == {False, True}


def test_calibration_samples_are_spread_evenly() -> None:
    probes = calibration_probes((np.arange(100), np.arange(100, 200)))
    assert probes.arrays[0][0] == 0 and probes.arrays[0][-1] == 99 and len(probes.arrays[0]) == 16
    assert np.array_equal(probes.arrays[0] + 100, probes.arrays[1])
    assert len(calibration_probes((np.arange(3),)).arrays[0]) == 3


def test_indices_are_limited_by_the_tables_behind_them() -> None:
    forms = [
        ("words", (1, 4), "float32"), ("cast", (1, 4), "int32"), ("table", (50, 8), "float32"),
        ("out", (1, 4, 8), "float32"), ("wide", (8, 20), "float32"), ("other", (8, 4), "float32"),
        ("plain", (1, 4), "int32"),
    ]  # fmt: skip
    tensors = tuple(Tensor(index, name, shape, shape, dtype) for index, (name, shape, dtype) in enumerate(forms))
    operators = (
        Operator(0, "CAST", (0,), (1,)),
        Operator(1, "GATHER", (2, 1), (3,), {"axis": 0}),
        Operator(2, "GATHER", (4, 1), (5,), {"axis": 1}),
    )
    assert index_limits(Graph((0, 6), (3, 5), tensors, operators)) == (20, 2)
