"""How an array of bytes is best coded as symbols: alphabet, raw bits, order, contexts, by their exact code length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from edgecompress.numerics.codecs.channel_contexts import expectations, magnitudes
from edgecompress.numerics.codecs.symbol_coder import MAX_LANES, SymbolCoding, code_length_bits, probabilities
from edgecompress.packing.codings import Coding, Fill, Raw
from edgecompress.packing.codings.symbols import code
from edgecompress.packing.wire import Writer

NOISE_BITS = 7.98  # a symbol; what has more is left as it is
SAMPLE = 1 << 16  # symbols that are tried; the rest of a large array is like them
STREAM_BYTES_PER_LANE = 512  # a lane costs about 3 bytes, or 0.6 %
SYMBOLS_PER_STEP = 16  # at the least, of a long stream, so that it is decoded in time
FEW_SYMBOLS = 4096  # that may be decoded one by one
PARAMETER_BYTES = 6  # of a coding, after the rest of the file was compressed with it; of contexts a few more
CONTEXT_BYTES = 14
COMPRESSED_SHARE = 0.7  # of parameters, of which a list of values is the most
PRIORS = (4, 32)
TRIAL_LANES = 32
SHIFTS = (4, 5, 7)
RUNS = range(64, 3, -1)  # of a list without channels, the first that divides it
FEW_IN_RUN = 64
TRIED_CONTEXTS = (4, 8, 16)
WORTH = 0.995  # a trial must save as much to be followed


@dataclass(frozen=True)
class Trial:
    """One way to code indices into the alphabet, and about how many bytes it takes."""

    coding: SymbolCoding
    low_bits: int
    transposed: bool
    size_bytes: float


def code_symbols(data: np.ndarray, *, channels: int = 0, origin: int | None = None) -> Coding:
    """Return the smallest coding of bytes, uint8 [count], as symbols, or as they are.

    `channels`, if it divides the count, is how many rows the array has as a matrix; contexts are tried along its rows
    and its columns. `origin` is the byte of magnitude 0, the most frequent one if not given.
    """
    if not len(data):
        return Raw(b"")
    counts = np.bincount(data, minlength=256)
    values = np.flatnonzero(counts).astype(np.uint8)
    if len(values) == 1:
        return Fill(values.tobytes())
    if _entropy_bits(counts) > NOISE_BITS:
        return Raw(data.tobytes())
    made = [_coded(data, values, counts, channels, origin)]
    whole = np.arange(int(values[0]), int(values[-1]) + 1).astype(np.uint8)
    if len(whole) > len(values) and len(data) <= SAMPLE:  # in a large array a list of the values weighs nothing
        made.append(_coded(data, whole, counts, channels, origin))
    return min(made, key=_listed_bytes)


def _listed_bytes(coding: Coding) -> float:
    """Return the size of a coding, with a guess of what its parameters take once they are compressed."""
    parameters, payloads = Writer(), Writer()
    coding.write_inside(parameters, payloads)
    return len(parameters.parts) * COMPRESSED_SHARE + len(payloads.parts)


def _coded(data: np.ndarray, values: np.ndarray, counts: np.ndarray, channels: int, origin: int | None) -> Coding:
    """Return the smallest coding of bytes as symbols that stand for these values, or as they are."""
    places = np.zeros(256, np.int64)
    places[values] = np.arange(len(values))
    indices = places[data]
    middle = int(places[counts.argmax() if origin is None else origin])
    best = _search(indices, len(values), channels, middle)
    if best.size_bytes >= len(data):
        return Raw(data.tobytes())
    ordered = _ordered(indices, best.coding.width, best.transposed)
    coded = code(values, ordered, best.coding, low_bits=best.low_bits, transposed=best.transposed)
    return coded if len(coded.stream) + len(coded.low) < len(data) else Raw(data.tobytes())


def _entropy_bits(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def _search(indices: np.ndarray, alphabet: int, channels: int, origin: int) -> Trial:
    count = len(indices)
    sample = indices[:SAMPLE]
    best = min(
        (
            _trial(sample, count, SymbolCoding((alphabet - 1 >> low) + 1, count, TRIAL_LANES, prior=prior), low, False)
            for low in range(max(1, min(6, alphabet.bit_length() - 1)))
            for prior in PRIORS
        ),
        key=lambda trial: trial.size_bytes,
    )
    if 1 < channels < count and count % channels == 0:
        for transposed in (False, True):
            width = channels if transposed else count // channels
            ordered = _ordered(indices, width, transposed)[: max(1, SAMPLE // width) * width]
            for trial in _with_contexts(ordered, count, best, width, transposed, origin):
                if trial.size_bytes < best.size_bytes:
                    best = trial
    else:
        runs = next((runs for runs in RUNS if count % runs == 0 and count >= runs * FEW_IN_RUN), 0)
        for trial in _after_one_another(indices, runs, best) if runs else ():
            if trial.size_bytes < best.size_bytes:
                best = trial
    return replace(best, coding=replace(best.coding, lanes=_lanes(count, best)))


def _with_contexts(
    ordered: np.ndarray, count: int, base: Trial, width: int, transposed: bool, origin: int
) -> Iterator[Trial]:
    """Yield trials with contexts, the finer ones only where coarse ones are worth it."""
    low = base.low_bits
    symbols = ordered >> low
    lanes = min(_lanes(count, base), _power_of_two(width))
    plain = SymbolCoding(base.coding.alphabet, width, lanes, prior=base.coding.prior, origin=origin >> low)
    mean = int(magnitudes(plain.alphabet, plain.origin)[symbols].mean() * 256)
    found = base
    for by_row in (True, False):
        for shift in SHIFTS:
            rule = replace(plain, by_row=by_row, shift=shift, initial=mean)
            expected = expectations(symbols.reshape(-1, width), rule.rule, lanes)
            for contexts in TRIED_CONTEXTS:
                cuts = np.unique(np.quantile(expected, np.arange(1, contexts) / contexts).astype(int))
                coding = replace(rule, thresholds=tuple(int(cut) for cut in cuts if 0 < cut < 4096))
                if not coding.thresholds:
                    continue
                trial = _trial(ordered, count, coding, low, transposed)
                yield trial
                if trial.size_bytes > found.size_bytes / WORTH:
                    break  # more contexts would only be learnt more slowly
                found = min(found, trial, key=lambda each: each.size_bytes)


def _after_one_another(indices: np.ndarray, runs: int, base: Trial) -> Iterator[Trial]:
    """Yield trials in which the context of a symbol is the one before it, in runs that are coded side by side."""
    low = base.low_bits
    ordered = _ordered(indices, runs, True)[: SAMPLE // runs * runs]
    lanes = min(_lanes(len(indices), base), runs)
    rule = SymbolCoding(base.coding.alphabet, runs, lanes, prior=base.coding.prior, shift=0)
    expected = expectations((ordered >> low).reshape(-1, runs), rule.rule, lanes)
    for contexts in (2, 4):
        cuts = np.unique(np.quantile(expected, np.arange(1, contexts) / contexts).astype(int))
        coding = replace(rule, thresholds=tuple(int(cut) for cut in cuts if 0 < cut < 4096))
        if coding.thresholds:
            yield _trial(ordered, len(indices), coding, low, True)


def _trial(sample: np.ndarray, count: int, coding: SymbolCoding, low_bits: int, transposed: bool) -> Trial:
    """Code a sample; what follows is taken to cost as much as its second half, when the model has learnt the most."""
    frequencies, _ = probabilities(sample >> low_bits, coding)
    settled = frequencies[len(sample) // 2 :]
    bits = code_length_bits(frequencies) + code_length_bits(settled) * (count - len(sample)) / len(settled)
    overhead = PARAMETER_BYTES + CONTEXT_BYTES * bool(coding.thresholds)
    stream_bytes = bits / 8 * (1 + 3 / STREAM_BYTES_PER_LANE) + 3
    return Trial(coding, low_bits, transposed, stream_bytes + low_bits * count / 8 + overhead)


def _lanes(count: int, trial: Trial) -> int:
    stream_bytes = trial.size_bytes - trial.low_bits * count / 8
    few = count < SYMBOLS_PER_STEP * FEW_SYMBOLS
    wanted = max(stream_bytes / STREAM_BYTES_PER_LANE, count / FEW_SYMBOLS if few else SYMBOLS_PER_STEP)
    return min(_power_of_two(max(1, int(wanted))), _power_of_two(trial.coding.width), MAX_LANES)


def _power_of_two(most: int) -> int:
    return 1 << (most.bit_length() - 1)


def _ordered(indices: np.ndarray, width: int, transposed: bool) -> np.ndarray:
    return indices.reshape(width, -1).T.ravel() if transposed else indices
