"""Bytes as symbols of an adaptive entropy coder, the lowest bits of each as they are if they look like noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgecompress.numerics.codecs import symbol_coder
from edgecompress.numerics.codecs.bit_packing import pack_bits, unpack_bits
from edgecompress.numerics.codecs.symbol_coder import MAX_CONTEXTS, MAX_LANES, SymbolCoding
from edgecompress.packing.codings.base import MAX_BYTES, Coding, Source, damaged
from edgecompress.packing.wire import Writer

_TRANSPOSED, _BITMAP, _BY_ROW, _CONTEXTS = 1, 2, 4, 8
_BITMAP_BYTES = 32
_MAX_THRESHOLD = (1 << 12) - 1


@dataclass(frozen=True)
class Symbols(Coding):
    """Each byte is `values[index]`, and the index is `symbol << low_bits | low`, in the coder's own order.

    `values` are ascending: a range, or a bitmap of the bytes that occur. Where `transposed`, the coder's rows of
    `coding.width` are the columns of the array.
    """

    kind: ClassVar[int] = 3
    coding: SymbolCoding
    values: np.ndarray  # uint8, ascending
    low_bits: int
    transposed: bool
    stream: bytes
    low: bytes

    @property
    def words(self) -> str:
        """Return the size of the alphabet, the raw bits and the contexts."""
        contexts = len(self.coding.thresholds) + 1
        along = f", {contexts} contexts along {'columns' if self.transposed else 'rows'}" if contexts > 1 else ""
        return f"{len(self.values)} symbols{f', {self.low_bits} bits raw' if self.low_bits else ''}{along}"

    def write(self, parameters: Writer, payloads: Writer) -> None:
        """Write flags, alphabet, order, contexts and lengths; then the stream and the raw bits."""
        coding, first, count = self.coding, int(self.values[0]), len(self.values)
        gaps = int(self.values[-1]) - first + 1 != count
        flags = self.transposed * _TRANSPOSED | gaps * _BITMAP | coding.by_row * _BY_ROW
        parameters.byte(flags | bool(coding.thresholds) * _CONTEXTS)
        if gaps:
            present = np.zeros(256, np.uint8)
            present[self.values] = 1
            parameters.bytes(np.packbits(present, bitorder="little").tobytes())
        else:
            parameters.byte(first)
            parameters.byte(count - 1)
        parameters.byte(self.low_bits)
        parameters.number(coding.width)
        parameters.byte(coding.lanes.bit_length() - 1)
        parameters.byte(coding.prior)
        if coding.thresholds:
            parameters.byte(len(coding.thresholds))
            parameters.byte(coding.origin)
            parameters.byte(coding.shift)
            parameters.number(coding.initial)
            for before, threshold in zip((0, *coding.thresholds), coding.thresholds, strict=False):
                parameters.number(threshold - before)
        parameters.number(len(self.stream))
        payloads.bytes(self.stream)
        payloads.bytes(self.low)

    @classmethod
    def read(cls, source: Source, size_bytes: int) -> Symbols:
        """Read them, and pay for the steps of the decoder."""
        parameters = source.parameters
        flags = parameters.byte(most=15)
        if flags & _BITMAP:
            packed = np.frombuffer(parameters.bytes(_BITMAP_BYTES), np.uint8)
            values = np.flatnonzero(np.unpackbits(packed, bitorder="little")).astype(np.uint8)
        else:
            first, more = parameters.byte(), parameters.byte()
            values = np.arange(first, min(first + more, 255) + 1, dtype=np.uint8)
        low_bits = parameters.byte(most=7)
        width, lanes = parameters.number(most=MAX_BYTES), 1 << parameters.byte(most=MAX_LANES.bit_length() - 1)
        prior = parameters.byte()
        origin = shift = initial = 0
        thresholds: list[int] = []
        if flags & _CONTEXTS:
            count = parameters.byte(most=MAX_CONTEXTS - 1)
            origin, shift, initial = parameters.byte(), parameters.byte(most=7), parameters.number(most=0xFF00)
            for _ in range(count):
                gap = parameters.number(most=_MAX_THRESHOLD)
                thresholds.append(min(_MAX_THRESHOLD, (thresholds[-1] if thresholds else 0) + gap))
        if not len(values) or not 0 < width <= size_bytes or (flags & _TRANSPOSED and size_bytes % width):
            raise damaged(f"{len(values)} symbols in rows of {width} cannot make {size_bytes} bytes")
        coding = SymbolCoding(
            alphabet=(len(values) - 1 >> low_bits) + 1,
            width=width,
            lanes=lanes,
            prior=prior,
            origin=origin,
            thresholds=tuple(thresholds),
            shift=shift,
            by_row=bool(flags & _BY_ROW),
            initial=initial,
        )
        source.spend(steps=-(-size_bytes // width) * -(-min(width, size_bytes) // lanes))
        stream = bytes(source.payloads.bytes(parameters.number(most=MAX_BYTES)))
        low = bytes(source.payloads.bytes((size_bytes * low_bits + 7) // 8))
        return cls(coding, values, low_bits, bool(flags & _TRANSPOSED), stream, low)

    def decode(self, size_bytes: int) -> np.ndarray:
        """Decode the stream, put the raw bits below, look the bytes up, and turn the array if need be."""
        indices = symbol_coder.decode(self.stream, size_bytes, self.coding).astype(np.int64)
        if self.low_bits:
            indices = indices << self.low_bits | unpack_bits(self.low, bits=self.low_bits, count=size_bytes)
        if indices.max() >= len(self.values):
            raise damaged(f"a symbol beyond the {len(self.values)} that there are")
        array = self.values[indices]
        return array.reshape(-1, self.coding.width).T.ravel() if self.transposed else array


def code(values: np.ndarray, indices: np.ndarray, coding: SymbolCoding, *, low_bits: int, transposed: bool) -> Symbols:
    """Code bytes `values[indices]`, whose indices stand in the coder's order."""
    low = pack_bits(indices & ((1 << low_bits) - 1), bits=low_bits) if low_bits else b""
    stream = symbol_coder.encode(indices >> low_bits, coding)
    return Symbols(coding, values, low_bits, transposed, stream, low)
