"""How far an emitted file may be from its source, by what its numbers are stored in.

An output agrees when the power of its differences is small beside the variance of what the source gives,

    10 log10(var(source) / mean((file - source)^2)) >= floor,

or when no element differs by more than the output can tell apart.

- float32: a unit roundoff of 2^-24 (144 dB) may grow a thousandfold (2^10) through the sums and layers of a network:
  84 dB. How much a network itself amplifies is measured where that is not enough, by what a relative change of its
  inputs by 2^-22 does to its outputs; with a warning below 40 dB, and never below 10.
- float16: weights of 11 bits (66 dB), which may lose half of that, in decibels, through the layers.
- int8: 8 bits are 50 dB at full scale, of which trained networks keep 28 to 45. Below 20 dB there is a warning; below
  10 dB, where the noise is a third of the signal, a refusal. int16x8 and dynamic files have int8 weights, too.
- binary: bits are exact, so that float32's bound holds, but for a sign that rounding turns. Such a sample is an
  exception, so it is the median sample that counts.
- ends: the layers around binary ones in int8. Signs behind them turn with their noise; a refusal where that exceeds the
  signal.

Outputs of integers or truth values, as of an argmax, agree element by element: 9 in 10 in float, 1 in 2 in int8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgecompress.numerics.signal import signal_to_noise_db
from edgecompress.values import Agreement

ROUNDOFF = 2.0**-24
AMPLIFICATION = 2.0**10  # of the unit roundoff, through the layers of a network
PERTURBATION = 2.0**-22  # relative change of the inputs by which a network's own amplification is measured
MARGIN = 16.0  # by how much the rounding of all layers may exceed that of the inputs
STABLE_DB = 40.0  # a network that amplifies rounding beyond this gives no figure twice, which is said
EXCUSED_DB = 10.0  # and beyond this nothing can be told of a file


@dataclass(frozen=True)
class Bounds:
    """In decibels: below `floor_db` a file is refused, below `ordinary_db` there is a warning."""

    floor_db: float
    ordinary_db: float
    integers_db: float  # the floor of outputs of integers: -10 log10 of the share of elements that differ


FLOAT = Bounds(84.0, 84.0, 10.0)
QUANTIZED = Bounds(10.0, 20.0, 3.0)
BOUNDS = {
    "float32": FLOAT,
    "float16": Bounds(33.0, 50.0, 3.0),
    "dynamic": QUANTIZED,
    "int8": QUANTIZED,
    "int16x8": QUANTIZED,
    "binary": FLOAT,
    "ends": Bounds(0.0, 20.0, 3.0),
}


@dataclass(frozen=True, eq=False)
class Differences:
    """N samples of one output, of the source and of the file, and what is between them."""

    output: str
    expected: np.ndarray
    found: np.ndarray

    @property
    def same_form(self) -> bool:
        """Whether shapes are equal, and the same elements are finite."""
        return self.expected.shape == self.found.shape and bool(
            (np.isfinite(self.expected) == np.isfinite(self.found)).all()
        )

    @property
    def is_integer(self) -> bool:
        """Whether the source gives integers or truth values."""
        return self.expected.dtype.kind in "biu"

    def noise_power(self, *, median: bool = False) -> float:
        """The mean square of the differences, over all samples or of the median one; of integers, the unequal share."""
        known = np.isfinite(self.expected)
        differences = np.where(known, self.found, 0).astype(np.float64) - np.where(known, self.expected, 0)
        powers = (differences != 0) if self.is_integer else np.square(differences)
        samples = powers.reshape(len(powers), -1).mean(axis=1) if powers.size else np.zeros(1)
        return float(np.median(samples) if median else samples.mean())

    def largest(self) -> float:
        """The largest difference of two elements."""
        known = np.isfinite(self.expected)
        differences = np.where(known, self.found, 0).astype(np.float64) - np.where(known, self.expected, 0)
        return float(np.abs(differences).max(initial=0.0))

    def decibels(self, *, median: bool = False) -> float:
        """The signal-to-noise ratio."""
        noise = self.noise_power(median=median)
        if self.is_integer:
            return signal_to_noise_db(np.array([-1.0, 1.0]), noise)
        return signal_to_noise_db(self.expected[np.isfinite(self.expected)], noise)

    def holds(self, precision: str, decibels: float, *, step: float = 0.0, response: float = 0.0) -> bool:
        """Whether the output agrees to `decibels`, or as well as its resolution or its network's own rounding allow.

        Args:
            precision: what the file stores, a key of `BOUNDS`.
            decibels: what is asked for.
            step: the unit of an integer output in real numbers; 0 for a float one.
            response: root mean square of the change of the source's output when its inputs change by `PERTURBATION`.
        """
        if not self.same_form:
            return False
        median = precision == "binary"
        if self.decibels(median=median) >= (BOUNDS[precision].integers_db if self.is_integer else decibels):
            return True
        if self.is_integer:
            return False
        greatest = float(np.abs(self.expected[np.isfinite(self.expected)]).max(initial=0.0))
        rounding = ROUNDOFF * AMPLIFICATION / 16 * greatest
        if self.largest() <= max(rounding, 1.01 * step):
            return True
        excused = self.noise_power(median=median) <= (MARGIN * response) ** 2
        return excused and self.decibels(median=median) >= min(EXCUSED_DB, decibels)

    def agreement(self, precision: str, inputs: str) -> Agreement:
        """What is kept of it."""
        return Agreement(
            output=self.output,
            signal_to_noise_db=round(self.decibels(median=precision == "binary"), 1),
            largest_difference=self.largest(),
            samples=len(self.expected),
            inputs=inputs,
        )
