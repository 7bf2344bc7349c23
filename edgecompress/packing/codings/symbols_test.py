from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.errors import PackedFileError
from edgecompress.numerics.codecs.symbol_coder import SymbolCoding
from edgecompress.packing.codings import Symbols
from edgecompress.packing.codings.base import FREE_STEPS
from edgecompress.packing.codings.symbols import code
from edgecompress.testing.codings import decoded, parts, read


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_any_symbols_come_back(data: st.DataObject) -> None:
    values = np.array(sorted(data.draw(st.sets(st.integers(0, 255), min_size=1))), np.uint8)
    low_bits = data.draw(st.integers(0, 7))
    width, rows = data.draw(st.integers(1, 30)), data.draw(st.integers(2, 30))
    transposed = data.draw(st.booleans())
    coding = SymbolCoding(
        (len(values) - 1 >> low_bits) + 1,
        width,
        1 << data.draw(st.integers(0, 8)),
        prior=data.draw(st.integers(0, 255)),
        origin=data.draw(st.integers(0, 255)),
        thresholds=tuple(sorted(data.draw(st.sets(st.integers(0, 4095), max_size=15)))),
        shift=data.draw(st.integers(0, 7)),
        by_row=data.draw(st.booleans()),
        initial=data.draw(st.integers(0, 0xFF00)),
    )
    if not coding.thresholds:  # what contexts need is written with contexts only
        coding = replace(coding, origin=0, shift=0, initial=0)
    count = width * rows if transposed else width * rows - data.draw(st.integers(0, width - 1))
    indices = np.random.default_rng(width).integers(0, len(values), count)
    expected = values[indices]
    if transposed:
        expected = expected.reshape(-1, width).T.ravel()
    made = code(values, indices, coding, low_bits=low_bits, transposed=transposed)
    assert decoded(made, count) == expected.tobytes()


def symbols(count: int = 12, **changes: object) -> Symbols:
    made = code(
        np.arange(10, 16, dtype=np.uint8),
        np.arange(count) % 6,
        SymbolCoding(6, 4, 2, origin=0, shift=0),
        low_bits=0,
        transposed=False,
    )
    return replace(made, **changes)


def changed(offset: int, *values: int, count: int = 12) -> tuple[bytes, bytes]:
    """Return parameters and payloads of `symbols()` with other bytes from `offset` on.

    0 kind, 1 flags, 2 first value, 3 number of values less one, 4 low bits, 5 width, 6 lanes, 7 prior, 8 stream bytes.
    """
    written = parts(symbols(count))
    parameters = bytearray(written.parameters.parts)
    parameters[offset : offset + len(values)] = bytes(values)
    return bytes(parameters), bytes(written.payloads.parts)


def test_what_is_changed_below_is_read_if_it_is_not_changed() -> None:
    assert read(*changed(0), 12) == bytes([10, 11, 12, 13, 14, 15] * 2)


@pytest.mark.parametrize(
    ("offset", "values", "told"),
    [
        (1, [16], "16 where at most 15"),
        (4, [8], "8 where at most 7"),
        (5, [0], "rows of 0"),
        (6, [9], "9 where at most 8"),
        (8, [100], "too early"),
        (8, [0], "cannot hold the states"),
        (1, [1, 10, 5, 0, 5], "rows of 5"),
    ],
)
def test_contradictions_are_refused(offset: int, values: list[int], told: str) -> None:
    with pytest.raises(PackedFileError, match=told):
        read(*changed(offset, *values), 12)


def test_an_empty_bitmap_is_refused() -> None:
    with pytest.raises(PackedFileError, match="0 symbols"):
        read(bytes([Symbols.kind, 2]) + bytes(32) + bytes([0, 4, 0, 4, 0]), b"", 4)


def test_no_symbols_are_refused() -> None:
    with pytest.raises(PackedFileError, match="cannot make 0 bytes"):
        parts(symbols()).source().coding(0)


def test_a_symbol_beyond_the_alphabet_is_refused() -> None:
    # 3 values with 1 raw bit are 2 symbols, of which the second has one index only
    made = code(
        np.arange(3, dtype=np.uint8), np.array([0, 1, 2, 2]), SymbolCoding(2, 4, 1), low_bits=1, transposed=False
    )
    with pytest.raises(PackedFileError, match="beyond the 3"):
        read(bytes(parts(made).parameters.parts), made.stream + b"\xff", 4)


def test_values_end_at_255() -> None:
    # ten values from 250 on are six, and the stream is that of an alphabet of six
    assert read(*changed(2, 250, 9), 12) == bytes([250, 251, 252, 253, 254, 255] * 2)


def test_too_many_steps_of_the_coder_are_refused() -> None:
    made = code(np.arange(2, dtype=np.uint8), np.zeros(4, int), SymbolCoding(2, 1, 1), low_bits=0, transposed=False)
    with pytest.raises(PackedFileError, match="too much memory or time"):
        parts(made).source().coding(FREE_STEPS + 1)


def test_a_width_beyond_the_array_costs_no_memory() -> None:
    """Rows that are wider than the array would let every byte of a file ask for millions of averages."""
    parameters, payloads = changed(5, 0x80, 0x80, 0x80, 0x02, 1, 16, len(symbols().stream))
    with pytest.raises(PackedFileError, match="rows of 4194304"):
        read(parameters, payloads, 12)
