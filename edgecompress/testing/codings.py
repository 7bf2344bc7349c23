"""Writing a coding and reading it again, which the tests of all codings do."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgecompress.packing.codings import KINDS, Coding
from edgecompress.packing.codings.base import Source, Work
from edgecompress.packing.wire import Reader, Writer


@dataclass
class Parts:
    """Parameters and payloads to change by hand, written in order: an integer is a byte, bytes are as they are."""

    parameters: Writer = field(default_factory=Writer)
    payloads: Writer = field(default_factory=Writer)

    def source(self) -> Source:
        return Source(
            Reader(bytes(self.parameters.parts), "parameters"),
            Reader(bytes(self.payloads.parts), "it"),
            KINDS,
            Work.of(0),
        )


def parts(coding: Coding) -> Parts:
    made = Parts()
    coding.write_inside(made.parameters, made.payloads)
    return made


def read_again(coding: Coding, size_bytes: int) -> Coding:
    """Write a coding, read it, and make sure that nothing is left and that it would be written the same."""
    written = parts(coding)
    source = written.source()
    found = source.coding(size_bytes)
    source.parameters.finish()
    source.payloads.finish()
    assert type(found) is type(coding) and found.words == coding.words
    assert parts(found) == written or parts(found).parameters.parts == written.parameters.parts
    return found


def decoded(coding: Coding, size_bytes: int) -> bytes:
    return read_again(coding, size_bytes).decode(size_bytes).tobytes()


def read(parameters: bytes, payloads: bytes, size_bytes: int) -> bytes:
    """Read and decode from bytes written by hand."""
    source = Source(Reader(parameters, "parameters"), Reader(payloads, "it"), KINDS, Work.of(0))
    return source.coding(size_bytes).decode(size_bytes).tobytes()
