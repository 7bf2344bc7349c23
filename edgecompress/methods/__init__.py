"""Compression methods: `METHODS` is the one table of all of them, in the order of the documentation."""

from __future__ import annotations

from edgecompress.errors import MethodError
from edgecompress.methods import binary, pruning, quantization, sharing
from edgecompress.methods.step import Step
from edgecompress.suggest import suggest

METHODS: tuple[type[Step], ...] = (
    *pruning.METHODS,
    *sharing.METHODS,
    *quantization.METHODS,
    *binary.METHODS,
)


def find(name: str) -> type[Step]:
    """Return the method called `name`.

    Raises:
        MethodError: there is none; the nearest name is suggested.
    """
    by_name = {method.name: method for method in METHODS}
    if name not in by_name:
        raise MethodError(
            f"There is no method '{name}'.",
            hint=suggest(name, by_name),
        )
    return by_name[name]
