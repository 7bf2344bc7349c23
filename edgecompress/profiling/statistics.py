"""What a few noisy series of latencies allow to be said: quantiles, an interval of the median, and a comparison.

Samples of one process are alike, and processes differ (memory layout, what else the machine does), so intervals come
from a bootstrap in two levels: processes first, then what is within each (Davison & Hinkley, Bootstrap Methods and
their Application, 1997, section 3.8).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgecompress.values import Summary

RESAMPLES = 1000
COVERAGE = (0.025, 0.975)
NORMAL_QUANTILE = 1.96  # of COVERAGE
CHUNKS = 20  # of one process's series, in a comparison
CHUNK_SAMPLES = 5  # at least, so that a chunk's median sheds an outlier or two


@dataclass(frozen=True)
class Comparison:
    """The second of two artifacts against the first: the ratio of their median times, with a 95 % interval."""

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
    medians = []
    for _ in range(RESAMPLES):
        chosen = (arrays[index] for index in generator.integers(len(arrays), size=len(arrays)))
        medians.append(np.median(np.concatenate([generator.choice(each, len(each)) for each in chosen])))
    low, high = np.quantile(medians, COVERAGE).tolist()
    return Summary(len(pooled), p5, p50, p90, p99, float(pooled.mean()), low, high)


def compare(
    first: Sequence[Sequence[int] | np.ndarray], second: Sequence[Sequence[int] | np.ndarray], *, seed: int = 0
) -> Comparison:
    """Compare two artifacts that were measured interleaved: the same number of series, paired by process.

    Each pair of series is cut into chunks, which are pairs in time, too: whatever slows both down leaves the ratio of
    a chunk's medians alone. The estimate is the median of those log ratios over all chunks and processes, since a mean
    would follow the few chunks in which the machine did something else; the verdict is "cannot tell" unless its
    interval excludes 1. A process that is lucky for its whole life looks like a difference: when luck of 2 % falls to
    each process alone, three of them are called different one time in seven, ten one time in twenty.

    Raises ValueError if the series do not pair up.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} series are not pairs")
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(first, second, strict=True)]
    chunks = max(1, min(CHUNKS, min(len(each) for pair in pairs for each in pair) // CHUNK_SAMPLES))
    logs = np.array([_chunk_log_ratios(a, b, chunks) for a, b in pairs])
    generator = np.random.default_rng(seed)
    drawn_pairs = generator.integers(len(pairs), size=(RESAMPLES, len(pairs), 1))
    drawn_chunks = generator.integers(chunks, size=(RESAMPLES, len(pairs), chunks))
    medians = np.median(logs[drawn_pairs, drawn_chunks], axis=(1, 2))
    low, high = np.exp(np.quantile(medians, COVERAGE)).tolist()
    verdict = "faster" if high < 1 else "slower" if low > 1 else "cannot tell"
    return Comparison(math.exp(np.median(logs)), low, high, verdict)


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


def _chunk_log_ratios(first: np.ndarray, second: np.ndarray, chunks: int) -> np.ndarray:
    halves = (np.array_split(first, chunks), np.array_split(second, chunks))
    return np.array([math.log(np.median(b) / np.median(a)) for a, b in zip(*halves, strict=True)])
