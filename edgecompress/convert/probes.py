"""Inputs on which an emitted file is compared with its source: calibration samples, or noise in the inputs' range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgecompress.values import Preprocessing, TensorSpec

NOISE_SAMPLES = 6
CALIBRATION_SAMPLES = 16
SEED = 20
UNKNOWN_RANGE = (-1.0, 1.0)
WITHOUT_TABLE = 2  # one more than the greatest index that is tried where no table says more


@dataclass(frozen=True, eq=False)
class Probes:
    """N samples of each input, as real numbers in the inputs' own types, and where they are from."""

    kind: Literal["calibration", "noise"]
    arrays: tuple[np.ndarray, ...]


def calibration_probes(calibration: tuple[np.ndarray, ...]) -> Probes:
    """Take some of the calibration samples, evenly spread."""
    count = len(calibration[0])
    chosen = np.unique(np.linspace(0, count - 1, min(count, CALIBRATION_SAMPLES)).round().astype(int))
    return Probes("calibration", tuple(array[chosen] for array in calibration))


def noise_probes(
    inputs: tuple[TensorSpec, ...],
    limits: Mapping[str, int],
    *,
    preprocessing: Preprocessing | None,
    calibration: tuple[np.ndarray, ...] | None,
) -> Probes:
    """Draw seeded uniform noise for each input.

    The range is that of the calibration samples, else what the preprocessing maps pixels 0..255 to, else -1..1.
    Integers lie below the input's entry in `limits`, by its name, or are 0 or 1.
    """
    generator = np.random.default_rng(SEED)
    arrays = []
    for place, spec in enumerate(inputs):
        shape, kind = (NOISE_SAMPLES, *spec.shape[1:]), np.dtype(spec.dtype).kind
        if kind == "b":
            array = generator.random(shape) < 0.5
        elif kind in "iu" and spec.quant is None:
            array = generator.integers(0, limits.get(spec.name, 2), shape).astype(spec.dtype)
        else:
            low, high = _range(preprocessing, calibration[place] if calibration else None)
            array = generator.uniform(low, high, shape).astype(np.float32)
        arrays.append(array)
    return Probes("noise", tuple(arrays))


def _range(preprocessing: Preprocessing | None, calibration: np.ndarray | None) -> tuple[float, float]:
    if calibration is not None and calibration.size:
        return float(calibration.min()), float(calibration.max())
    if preprocessing is not None:
        ends = np.multiply.outer([0.0, 255.0], preprocessing.scale) + np.asarray(preprocessing.offset)
        return float(ends.min()), float(ends.max())
    return UNKNOWN_RANGE
