"""Floats that are those of another array times a number: a bias's scales are its kernel's times the input's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgecompress.packing.codings.base import Coding, Source, damaged
from edgecompress.packing.codings.float_product import multiply, step
from edgecompress.packing.wire import Writer


@dataclass(frozen=True)
class Factor:
    """So many elements are those of the reference from `start` on, times the float32 number of these bytes."""

    count: int
    start: int
    number: bytes


@dataclass(frozen=True)
class Product(Coding):
    """float32 `reference[start + i] * factor`, a start and a factor for each of some pieces, and steps to add.

    A step is to the next bit pattern, seen as an integer: what another order of rounding makes of a product.
    """

    kind: ClassVar[int] = 8
    array: int  # which array of the segment, before this one
    reference: Coding
    reference_bytes: int
    factors: tuple[Factor, ...]
    steps: Coding  # a byte for each element, two's complement

    @property
    def words(self) -> str:
        """Return of what it is the product, and how the rest is coded."""
        return f"array {self.array} times {len(self.factors)} factors, steps[{self.steps.words}]"

    def write(self, parameters: Writer, payloads: Writer) -> None:
        """Write which array, the factors and the steps."""
        parameters.number(self.array)
        parameters.number(len(self.factors))
        for factor in self.factors:
            parameters.number(factor.count)
            parameters.number(factor.start)
            parameters.bytes(factor.number)
        self.steps.write_inside(parameters, payloads)

    @classmethod
    def read(cls, source: Source, size_bytes: int) -> Product:
        """Read which array, the factors and the steps."""
        array = source.parameters.number()
        if array >= len(source.arrays) or size_bytes % 4 or not size_bytes:
            raise damaged(f"a product of array {array} cannot have {size_bytes} bytes")
        reference, reference_bytes = source.arrays[array]
        if isinstance(reference, Product) or reference_bytes % 4:
            raise damaged(f"a product of {type(reference).__name__.lower()}, {reference_bytes} bytes")
        source.products += 1
        if source.products > 1:  # each decodes its reference, which is paid for once
            raise damaged("a second product in a segment")
        most = reference_bytes // 4
        factors = tuple(
            Factor(
                source.parameters.number(most=most),
                source.parameters.number(most=most),
                bytes(source.parameters.bytes(4)),
            )
            for _ in range(source.parameters.number(most=source.parameters.left))
        )
        if sum(factor.count for factor in factors) != size_bytes // 4 or any(
            factor.start + factor.count > most for factor in factors
        ):
            raise damaged(f"the factors of a product do not make {size_bytes} bytes")
        return cls(array, reference, reference_bytes, factors, source.coding(size_bytes // 4))

    def decode(self, size_bytes: int) -> np.ndarray:
        """Multiply, each product rounded by itself, and add the steps to the bit patterns."""
        values = self.reference.decode(self.reference_bytes).view("<f4")
        products = [
            multiply(values[each.start : each.start + each.count], np.frombuffer(each.number, "<f4")[0])
            for each in self.factors
        ]
        return step(np.concatenate(products), self.steps.decode(size_bytes // 4))
