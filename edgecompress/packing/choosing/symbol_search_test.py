from __future__ import annotations

import numpy as np
import pytest

from edgecompress.numerics.codecs.symbol_coder import code_length_bits, decode, probabilities
from edgecompress.packing.choosing.symbol_search import SYMBOLS_PER_STEP, code_symbols
from edgecompress.packing.codings import Fill, Raw, Symbols
from edgecompress.testing.codings import decoded


def laplacian(scale: float, count: int, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).laplace(scale=scale, size=count)
    return np.clip(np.rint(drawn), -128, 127).astype(np.int8).view(np.uint8)


@pytest.mark.parametrize("count", [300, 5000, 40_000, 200_000])
@pytest.mark.parametrize("scale", [0.3, 3, 20])
@pytest.mark.parametrize("channels", [0, 20])
def test_the_lanes_that_are_chosen_cost_less_than_a_percent(count: int, scale: float, channels: int) -> None:
    data = laplacian(scale, count)
    found = code_symbols(data, channels=channels)
    assert isinstance(found, Symbols)
    symbols = decode(found.stream, count, found.coding).astype(np.int64)
    bits = code_length_bits(probabilities(symbols, found.coding)[0])
    assert bits / 8 <= len(found.stream) + 1e-6 <= 1.01 * bits / 8 + 64
    assert decoded(found, count) == data.tobytes()


def test_raw_bits_are_those_that_look_like_noise() -> None:
    random = np.random.default_rng(0)
    data = (random.geometric(0.5, 4000).clip(1, 16) - 1 << 4 | random.integers(0, 16, 4000)).astype(np.uint8)
    found = code_symbols(data)
    assert isinstance(found, Symbols) and found.low_bits >= 3
    assert decoded(found, 4000) == data.tobytes()


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b"", Raw), (b"a", Fill), (b"aaaa", Fill), (b"ab", Raw), (bytes(range(256)), Raw), (b"ab" * 400, Symbols)],
)
def test_what_is_not_worth_coding_is_not_coded(data: bytes, kind: type) -> None:
    found = code_symbols(np.frombuffer(data, np.uint8))
    assert type(found) is kind and decoded(found, len(data)) == data


@pytest.mark.parametrize("channels", [2, 4])
def test_few_channels_do_not_make_a_decoder_slow(channels: int) -> None:
    """A row of two symbols would be a step of its own, however long the array is."""
    count = 1 << 17
    density = np.linspace(0.01, 0.5, channels)[:, None]
    data = (np.random.default_rng(0).random((channels, count // channels)) < density).astype(np.uint8).ravel()
    found = code_symbols(data, channels=channels)
    assert isinstance(found, Symbols)
    coding = found.coding
    steps = -(-count // coding.width) * -(-coding.width // coding.lanes)
    assert steps <= 2 * count // SYMBOLS_PER_STEP
