from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecompress.errors import PackedFileError
from edgecompress.packing.codings import KINDS, Coding, Fill, Product, Raw, Sparse
from edgecompress.packing.codings.base import Source, Work
from edgecompress.packing.codings.product import Factor
from edgecompress.packing.wire import Reader, Writer

VALUES = np.array([1.5, -2.0, 3.25, 1e30, 5.0], "<f4")
REFERENCE = Raw(VALUES.tobytes())


def number(value: float) -> bytes:
    return np.array(value, "<f4").tobytes()


PRODUCT = Product(
    0,
    REFERENCE,
    20,
    (Factor(2, 1, number(0.5)), Factor(3, 2, number(1e-3))),
    Raw(np.array([0, 1, -1, 0, 2], np.int8).tobytes()),
)


def source(coding: Coding, arrays: list[tuple[Coding, int]]) -> Source:
    parameters, payloads = Writer(), Writer()
    coding.write_inside(parameters, payloads)
    return Source(
        Reader(bytes(parameters.parts), "it"), Reader(bytes(payloads.parts), "it"), KINDS, Work.of(0), arrays=arrays
    )


def refused(coding: Coding, size_bytes: int, arrays: list[tuple[Coding, int]]) -> str:
    with pytest.raises(PackedFileError) as raised:
        source(coding, arrays).coding(size_bytes).decode(size_bytes)
    return raised.value.message


def test_products_of_stretches_of_another_array() -> None:
    found = source(PRODUCT, [(REFERENCE, 20)]).coding(20).decode(20).view("<f4")
    bits = np.concatenate([VALUES[1:3] * np.float32(0.5), VALUES[2:5] * np.float32(1e-3)]).view("<i4")
    assert found.view("<i4").tolist() == (bits + np.array([0, 1, -1, 0, 2])).tolist()


def test_what_is_not_finite_is_zero() -> None:
    changed = replace(PRODUCT, factors=(Factor(5, 0, number(1e30)),), steps=Fill(b"\0"))
    assert source(changed, [(REFERENCE, 20)]).coding(20).decode(20).view("<f4")[3] == 0


def test_an_array_that_does_not_come_before_is_refused() -> None:
    assert "a product of array 0" in refused(PRODUCT, 20, [])
    assert "a product of array 1" in refused(replace(PRODUCT, array=1), 20, [(REFERENCE, 20)])


def test_a_product_of_a_product_is_refused() -> None:
    assert "a product of" in refused(PRODUCT, 20, [(PRODUCT, 20)])


def test_sizes_that_do_not_fit_are_refused() -> None:
    arrays: list[tuple[Coding, int]] = [(REFERENCE, 20)]
    assert "cannot have 18 bytes" in refused(PRODUCT, 18, arrays)
    assert "do not make 24 bytes" in refused(PRODUCT, 24, arrays)
    assert "do not make 20 bytes" in refused(replace(PRODUCT, factors=(Factor(5, 1, number(1)),)), 20, arrays)
    assert "6 where at most 5" in refused(replace(PRODUCT, factors=(Factor(6, 0, number(1)),)), 20, arrays)


def test_a_reference_of_no_whole_numbers_is_refused() -> None:
    """An array of 21 bytes holds no float32 numbers, even where the product uses only the first of them."""
    assert "damaged" in refused(PRODUCT, 20, [(Raw(VALUES.tobytes() + b"!"), 21)])


def test_a_product_of_nothing_is_refused_or_empty() -> None:
    """A mask may leave no values, and those may claim to be a product without factors."""
    nothing = Product(0, REFERENCE, 20, (), Raw(b""))
    sparse = Sparse(4, (b"hole",), 0, Fill(b"\0"), nothing)
    try:
        assert source(sparse, [(REFERENCE, 20)]).coding(8).decode(8).tobytes() == b"holehole"
    except PackedFileError as error:
        assert "damaged" in error.message


def test_references_are_paid_for() -> None:
    """Each product decodes its reference: a thousand of one large array would take a thousand times its time."""
    large: tuple[Coding, int] = Fill(b"\0"), 1 << 20
    parameters, payloads = Writer(), Writer()
    for _ in range(1000):
        Product(0, large[0], large[1], (Factor(1, 0, number(1)),), Fill(b"\0")).write_inside(parameters, payloads)
    made = Source(Reader(bytes(parameters.parts), "it"), Reader(b"", "it"), KINDS, Work.of(0), arrays=[large])
    with pytest.raises(PackedFileError):
        for _ in range(1000):
            made.arrays.append((made.coding(4), 4))
