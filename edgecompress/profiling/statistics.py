"""What a few noisy series of latencies allow to be said: quantiles, an interval of the median, and a comparison.

Samples of one process are alike, and processes differ (memory layout, what else the machine does). So the interval of
a median comes from a bootstrap in two levels, processes first, then what is within each (Davison & Hinkley, Bootstrap
Methods and their Application, 1997, section 3.8), and a comparison counts pairs of processes, not samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgecompress.values import Summary

RESAMPLES = 1000
RESAMPLED = (
    10_000  # samples of a process, evenly over its life: more tell nothing more about processes, and take minutes
)
COVERAGE = (0.025, 0.975)
NORMAL_QUANTILE = 1.96  # of COVERAGE
CALLED_DIFFERENT = 0.99  # quantile of Student's law at each end of a comparison's interval
SAME = 0.003  # of a ratio: smaller differences are not called differences
CHUNKS = 20  # of one process's series, in a comparison
CHUNK_SAMPLES = 5  # at least, so that a chunk's median sheds an outlier or two


@dataclass(frozen=True)
class Comparison:
    """The second of two artifacts against the first: the ratio of their median times, with a 98 % interval."""

    ratio: float  # below 1: the second takes less time
    low: float
    high: float
    verdict: str  # "faster", "slower" or "cannot tell"


def summarize(series: Sequence[Sequence[int] | np.ndarray], *, seed: int = 0) -> Summary:
    """Quantiles of all samples together, and an interval of the median; one series a process, in nanoseconds."""
    arrays = [np.asarray(each, np.float64) for each in series]
    pooled = np.concatenate(arrays)
    p5, p50, p90, p99 = np.quantile(pooled, (0.05, 0.5, 0.9, 0.99)).tolist()
    generator = np.random.default_rng(seed)
    thinned = [each[:: -(-len(each) // RESAMPLED)] for each in arrays]
    medians = []
    for _ in range(RESAMPLES):
        chosen = (thinned[index] for index in generator.integers(len(arrays), size=len(arrays)))
        medians.append(np.median(np.concatenate([generator.choice(each, len(each)) for each in chosen])))
    low, high = np.quantile(medians, COVERAGE).tolist()
    return Summary(len(pooled), p5, p50, p90, p99, float(pooled.mean()), low, high)


def compare(first: Sequence[Sequence[int] | np.ndarray], second: Sequence[Sequence[int] | np.ndarray]) -> Comparison:
    """Compare two artifacts that were measured interleaved: the same number of series, paired by process.

    Each pair of series is cut into chunks, which are pairs in time, too: whatever slows both down leaves the ratio of
    a chunk's medians alone, and the median over chunks sheds those in which the machine did something else. That gives
    one log ratio a pair of processes. Processes have luck that lasts as long as they do (where their memory lies), so
    that only their number tells how sure the mean of these is: Student's interval, over pairs,

        mean +- t(0.99, n - 1) * s / sqrt(n)

    which is wide for few processes, as it should be. The verdict is "cannot tell" unless the interval excludes all
    ratios within `SAME` of 1: copies of one file differ, too, by where they lie (by 0.12 % in the recorded pairs). It
    covers 98 %, since of two equal artifacts at most one pair in twenty may be called different on real devices, too,
    where luck is not normally distributed.

    Raises ValueError if the series do not pair up, or there are fewer than two pairs.
    """
    from scipy.special import stdtrit  # 0.1 s, for this alone

    if len(first) != len(second) or len(first) < 2:
        raise ValueError(f"{len(first)} and {len(second)} series are not two or more pairs")
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(first, second, strict=True)]
    logs = np.array([_log_ratio(a, b) for a, b in pairs])
    half = float(stdtrit(len(logs) - 1, CALLED_DIFFERENT)) * logs.std(ddof=1) / math.sqrt(len(logs))
    low, high = math.exp(logs.mean() - half), math.exp(logs.mean() + half)
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


def _log_ratio(first: np.ndarray, second: np.ndarray) -> float:
    """Median over chunks of the log ratio of their medians."""
    chunks = max(1, min(CHUNKS, min(len(first), len(second)) // CHUNK_SAMPLES))
    halves = (np.array_split(first, chunks), np.array_split(second, chunks))
    return float(np.median([math.log(np.median(b) / np.median(a)) for a, b in zip(*halves, strict=True)]))
