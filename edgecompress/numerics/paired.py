"""Two models on the same images: is one right more often, or more nearly, and by how much?

Only the images on which exactly one of the two is right can tell. `lost` counts those that the first has right and the
second wrong, `won` those the other way round; of `images` in all, the drop from the first to the second is
`(lost - won) / images`.

- Whether there is a difference: McNemar's test, Psychometrika 12 (1947) 153, in its mid-p form (Fagerland, Lydersen and
  Laake, BMC Medical Research Methodology 13 (2013) 91), which is neither as timid as the exact test nor ever far above
  its level.
- How large it is: the interval of Tango, Statistics in Medicine 17 (1998) 891, which inverts the score test. It keeps
  its coverage where few images are told apart, and has a width where none is.

Where images are right in part, the drop is the mean of the differences, with Student's test and interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgecompress.numerics.student import half_width

CONFIDENCE = 0.95
MOST_IMAGES = 10**9
Z = 1.959964  # quantile of the normal distribution for a two-sided interval of 95 %


@dataclass(frozen=True)
class PairedDrop:
    """How many percentage points less right a second model is than a first, on the same images."""

    points: float
    low: float  # the 95 % interval
    high: float
    p_value: float  # of both being equally right
    lost: int  # images that only the first has right, or more nearly
    won: int  # images that only the second has right, or more nearly
    images: int  # 0 where it is not known how many there are
    in_part: bool = False  # whether an image may be right in part

    @property
    def told(self) -> bool:
        """Whether there is a difference: the test and the interval both say so, at 95 %."""
        return self.p_value < 1 - CONFIDENCE and not self.low <= 0 <= self.high

    def images_to_tell(self, limit: float) -> int | None:
        """Return how many such images would put the interval on one side of `limit` points; None if none would."""
        if not self.in_part:
            return images_to_tell(self.lost, self.won, self.images, limit / 100)
        distance, half = abs(self.points - limit), (self.high - self.low) / 2
        needed = self.images * (half / distance) ** 2 if distance else math.inf  # the interval narrows with its root
        return math.ceil(needed) if needed <= MOST_IMAGES else None


def paired_drop(first: np.ndarray, second: np.ndarray) -> PairedDrop:
    """Compare two rows of flags (N,), whether each image is right, or of shares (N,), how right it is.

    Raises:
        ValueError: they are not of the same images, or of none.
    """
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"expected two rows of flags of the same images, got {first.shape} and {second.shape}")
    if bool not in (first.dtype, second.dtype) or first.dtype != second.dtype:
        return _drop_in_part(first.astype(np.float64), second.astype(np.float64))
    lost, won, images = int(np.sum(first & ~second)), int(np.sum(~first & second)), len(first)
    low, high = tango_interval(lost, won, images)
    return PairedDrop(100 * (lost - won) / images, 100 * low, 100 * high, mcnemar_mid_p(lost, won), lost, won, images)


def _drop_in_part(first: np.ndarray, second: np.ndarray) -> PairedDrop:
    from scipy.special import stdtr

    differences = np.where(first == second, 0.0, first - second)  # infinitely wrong both is no difference
    mean, half = float(differences.mean()), half_width(differences)
    if len(differences) == 1:
        p_value = 1.0
    elif error := float(differences.std(ddof=1)) / math.sqrt(len(differences)):
        p_value = 2 * float(stdtr(len(differences) - 1, -abs(mean) / error))
    else:  # all are the same
        p_value = float(not mean)
    lost, won = int(np.sum(differences > 0)), int(np.sum(differences < 0))
    ends = (100 * mean, 100 * (mean - half), 100 * (mean + half))
    return PairedDrop(*ends, p_value, lost, won, len(first), in_part=True)


def mcnemar_mid_p(lost: int, won: int) -> float:
    """Return the two-sided mid-p value of `lost` and `won` being equally likely; 1 where both are 0.

    Twice the binomial tail `P(X <= min) - P(X = min) / 2` of `lost + won` tosses of a coin.
    """
    from scipy.special import bdtr, gammaln

    count, few = lost + won, min(lost, won)
    if not count:
        return 1.0
    point = math.exp(gammaln(count + 1) - gammaln(few + 1) - gammaln(count - few + 1) - count * math.log(2))
    return min(1.0, 2 * (float(bdtr(few, count, 0.5)) - point / 2))


def tango_interval(lost: int, won: int, images: int) -> tuple[float, float]:
    """Return the 95 % score interval of the difference of two paired shares, in [-1, 1]."""
    from scipy.optimize import brentq

    def limit(level: float) -> float:
        def above(difference: float) -> float:
            return score(lost, won, images, difference) - level

        # The score falls as the supposed difference grows; where it does not reach the level, the limit is the end.
        if above(-1.0) <= 0:
            return -1.0
        return 1.0 if above(1.0) >= 0 else float(brentq(above, -1.0, 1.0, xtol=1e-12))

    return limit(Z), limit(-Z)


def score(lost: int, won: int, images: int, difference: float) -> float:
    """Return Tango's statistic for a supposed difference d of the shares, standard normal where d is the true one.

    `(lost - won - N d) / sqrt(N (2 q + d (1 - d)))`, where q is the likeliest share of `won` given d, the larger root
    of `2 N q^2 + ((2 N - lost + won) d - lost - won) q - won d (1 - d)`.
    """
    excess = lost - won - images * difference
    a = 2 * images
    b = -lost - won + (2 * images - lost + won) * difference
    c = -won * difference * (1 - difference)
    q = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = images * (2 * q + difference * (1 - difference))
    if variance <= 0:
        return math.copysign(math.inf, excess) if excess else 0.0
    return excess / math.sqrt(variance)


def images_to_tell(lost: int, won: int, images: int, limit: float) -> int | None:
    """Return with how many images, told apart in these proportions, the interval would leave out `limit`.

    The score grows with the root of the number of images, so that it is `N (z / score)^2`. None where the shares are
    `limit` apart, or so nearly that it would take more than a billion.
    """
    found = score(lost, won, images, limit)
    if found * found * MOST_IMAGES <= images * Z**2:
        return None
    return max(1, math.ceil(images * (Z / found) ** 2))


def finest_drop(images: int) -> float:
    """Return the upper limit, as a share, of the drop of two models that agree on all of so many images."""
    return Z**2 / (images + Z**2)
