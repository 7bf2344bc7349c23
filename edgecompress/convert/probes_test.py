"""Inputs to compare on: reproducible, in the range of the data, and within the tables that they index."""

from __future__ import annotations

import numpy as np

from edgecompress.convert.probes import calibration_probes, noise_probes
from edgecompress.values import Preprocessing, TensorSpec

IMAGE = TensorSpec("image", (1, 4, 4, 3), "float32")


def test_noise_fills_the_range_that_pixels_are_mapped_to() -> None:
    preprocessing = Preprocessing(4, 4, 3, scale=(1.0, 0.5, 2.0), offset=(-10.0, 0.0, 0.0))
    (array,) = noise_probes((IMAGE,), {}, preprocessing=preprocessing, calibration=None).arrays
    assert -10 <= array.min() < 0 and 400 < array.max() <= 510
    again = noise_probes((IMAGE,), {}, preprocessing=preprocessing, calibration=None)
    assert np.array_equal(array, again.arrays[0]) and again.kind == "noise"


def test_calibration_samples_tell_the_range_better() -> None:
    samples = np.full((2, 4, 4, 3), 3.0, np.float32)
    samples[0] = 1.0
    (array,) = noise_probes((IMAGE,), {}, preprocessing=Preprocessing(4, 4, 3), calibration=(samples,)).arrays
    assert 1 <= array.min() < array.max() <= 3


def test_integers_stay_below_their_limits_and_truth_values_are_both() -> None:
    specs = (TensorSpec("words", (1, 300), "int32"), TensorSpec("mask", (1, 300), "bool"))
    words, mask = noise_probes(specs, {"words": 7}, preprocessing=None, calibration=None).arrays
    assert words.dtype == np.int32 and set(words.ravel()) == set(range(7)) and set(mask.ravel()) == {False, True}


def test_calibration_samples_are_spread_evenly() -> None:
    probes = calibration_probes((np.arange(100), np.arange(100, 200)))
    assert probes.arrays[0][0] == 0 and probes.arrays[0][-1] == 99 and len(probes.arrays[0]) == 16
    assert np.array_equal(probes.arrays[0] + 100, probes.arrays[1])
    assert len(calibration_probes((np.arange(3),)).arrays[0]) == 3
