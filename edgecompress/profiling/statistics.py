"""What a few noisy series of latencies allow to be said: quantiles, an interval of the median, and a comparison.

Samples of one process are alike, and processes differ (memory layout, what else the machine does). So only the number
of processes tells how well a median is known, and the number of pairs how sure a comparison is: both have Student's
interval over one figure a process, which covers what it says from two processes on. (A bootstrap does not: of three
processes it can only draw these three again, and its 95 % were 68 to 92.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgecompress.numerics.student import half_width
from edgecompress.values import Summary

QUANTILES = (0.05, 0.5, 0.9, 0.99)
COVERED = 0.975  # quantile of Student's law at each end of a median's interval
NORMAL_QUANTILE = 1.96  # the normal law's
CALLED_DIFFERENT = 0.99  # quantile of Student's law at each end of a comparison's interval
SAME = 0.003  # of a ratio: smaller differences are not called differences
CHUNKS = 20  # of one process's series, in a comparison
LARGEST_LOG = 700.0  # whose exponential is a float: two processes that differ twofold have an end at 1e8 times
CHUNK_SAMPLES = 5  # at least, so that a chunk's median sheds an outlier or two


@dataclass(frozen=True)
class Comparison:
    """The second of two artifacts against the first: the ratio of their median times, with a 98 % interval.

    Where several comparisons were made at once, their intervals hold together in 98 of 100 cases.
    """

    ratio: float  # below 1: the second takes less time
    low: float
    high: float
    verdict: str  # "faster", "slower" or "cannot tell"


def summarize(series: Sequence[Sequence[int] | np.ndarray]) -> Summary:
    """Quantiles of a typical process, and how well its median is known; one series a process, in nanoseconds.

    Each quantile is the geometric mean over the processes' own, so that each process counts once however many samples
    it gave. The median's 95 % interval is Student's, over the logarithms of the n processes' medians,

        exp(mean +- t(0.975, n - 1) * s / sqrt(n))

    One process alone has none.
    """
    arrays = [np.asarray(each, np.float64) for each in series]
    logs = np.log([np.quantile(each, QUANTILES) for each in arrays])
    p5, p50, p90, p99 = (math.exp(each.mean()) for each in logs.T)
    low, high = _interval(logs.T[1], COVERED) if len(arrays) > 1 else (None, None)
    pooled = np.concatenate(arrays)
    return Summary(len(pooled), p5, p50, p90, p99, float(pooled.mean()), low, high)


def compare(
    first: Sequence[Sequence[float] | np.ndarray],
    second: Sequence[Sequence[float] | np.ndarray],
    *,
    comparisons: int = 1,
) -> Comparison:
    """Compare two artifacts that were measured interleaved: the same number of series, paired by process.

    Each pair of series is cut into chunks, which are pairs in time, too: whatever slows both down leaves the ratio of
    a chunk's medians alone, and the median over chunks sheds those in which the machine did something else. That gives
    one log ratio a pair of processes. Processes have luck that lasts as long as they do (where their memory lies), so
    that only their number tells how sure the mean of these is: Student's interval, over pairs,

        mean +- t(0.99, n - 1) * s / sqrt(n)

    which is wide for few processes, as it should be. The verdict is "cannot tell" unless the interval excludes all
    ratios within `SAME` of 1: copies of one file differ, too, by where they lie (by 0.12 % in the recorded pairs). It
    covers 98 %, since of two equal artifacts at most one pair in twenty may be called different on real devices, too,
    where luck is not normally distributed. Where several are made at once, `comparisons` of them, each gets an equal
    share of those 2 % (Bonferroni), so that this holds for all of them together.

    Raises ValueError if the series do not pair up, or there are fewer than two pairs.
    """
    if len(first) != len(second) or len(first) < 2:
        raise ValueError(f"{len(first)} and {len(second)} series are not two or more pairs")
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(first, second, strict=True)]
    logs = np.array([_log_ratio(a, b) for a, b in pairs])
    low, high = _interval(logs, 1 - (1 - CALLED_DIFFERENT) / comparisons)
    verdict = "faster" if high < 1 - SAME else "slower" if low > 1 + SAME else "cannot tell"
    return Comparison(math.exp(logs.mean()), low, high, verdict)


def median_half_width(samples: np.ndarray) -> float:
    """Half the width of the median's 95 % interval, as a fraction of it, from order statistics alone.

    The ranks `n/2 ± 1.96 sqrt(n)/2` hold for any distribution (David & Nagaraja, Order Statistics, 2003, section 7.1)
    and cost one partial sort, so that a measurement can ask after every block whether it may stop.
    """
    count = len(samples)
    spread = NORMAL_QUANTILE * math.sqrt(count) / 2
    low, high = math.floor(count / 2 - spread), math.ceil(count / 2 + spread)
    if low < 0 or high >= count:
        return math.inf
    ordered = np.partition(samples, (low, count // 2, high))
    return float((ordered[high] - ordered[low]) / 2 / ordered[count // 2])


def _interval(logs: np.ndarray, quantile: float) -> tuple[float, float]:
    """Student's interval of the mean of logarithms, one a process, as the figures themselves."""
    half = half_width(logs, quantile=quantile)
    return math.exp(min(logs.mean() - half, LARGEST_LOG)), math.exp(min(logs.mean() + half, LARGEST_LOG))


def _log_ratio(first: np.ndarray, second: np.ndarray) -> float:
    """Median over chunks of the log ratio of their medians."""
    chunks = max(1, min(CHUNKS, min(len(first), len(second)) // CHUNK_SAMPLES))
    ratios = _chunk_medians(second, chunks) / _chunk_medians(first, chunks)
    return float(np.median([math.log(each) for each in ratios]))


def _chunk_medians(samples: np.ndarray, chunks: int) -> np.ndarray:
    """The median of each chunk; where they cannot be of one size, the first of them have a sample more."""
    size, longer = divmod(len(samples), chunks)
    head, tail = np.split(samples, [longer * (size + 1)])
    return np.concatenate([np.median(head.reshape(longer, size + 1), 1), np.median(tail.reshape(-1, size), 1)])
