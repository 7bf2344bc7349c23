"""Checked access to the entries of a layer's config, which may come from a hostile file."""

from __future__ import annotations

from typing import Any

MAX_SIZE = 2**31 - 1
MAX_RANK = 8

Shape = tuple[int, ...]  # with the batch axis; -1 where it is free


class Fields:
    """The config of one layer; each method returns an entry of the stated form or raises ValueError."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config

    def size(self, key: str, default: int | None = None, *, least: int = 1) -> int:
        """Return an integer of at least `least`."""
        return _size(key, self._config.get(key, default), least=least)

    def sizes(self, key: str, default: Any = None) -> Shape:
        """Return one positive integer an axis; a lone integer is one axis."""
        value = self._config.get(key)
        value = default if value is None else value
        entries = value if isinstance(value, list | tuple) else [value]
        if not 1 <= len(entries) <= MAX_RANK:
            raise ValueError(f"{key} has {len(entries)} entries")
        return tuple(_size(key, entry) for entry in entries)

    def pairs(self, key: str) -> tuple[tuple[int, int], ...]:
        """Return (before, after) for each axis; a lone pair of integers is one axis."""
        value = self._config.get(key)
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_RANK:
            raise ValueError(f"{key} is {value!r:.60}, not a list of pairs")
        pairs = value if isinstance(value[0], list | tuple) else [value]
        if any(not isinstance(pair, list | tuple) or len(pair) != 2 for pair in pairs):
            raise ValueError(f"{key} is {value!r:.60}, not a list of pairs")
        return tuple((_size(key, before, least=0), _size(key, after, least=0)) for before, after in pairs)

    def integers(self, key: str, default: Any = None) -> tuple[int, ...]:
        """Return integers of any sign; a lone integer is one, None is none."""
        value = self._config.get(key, default)
        value = [] if value is None else value
        entries = value if isinstance(value, list | tuple) else [value]
        if len(entries) > MAX_RANK:
            raise ValueError(f"{key} has {len(entries)} entries")
        return tuple(_size(key, entry, least=-MAX_SIZE) for entry in entries)

    def axes(self, key: str, rank: int, default: Any = None) -> tuple[int, ...]:
        """Return axes of a tensor with `rank` axes, counted from the front."""
        entries = self.integers(key, default)
        if any(not -rank <= entry < rank for entry in entries):
            raise ValueError(f"{key} {list(entries)} is outside a tensor with {rank} axes")
        return tuple(entry % rank for entry in entries)

    def flag(self, key: str, default: bool) -> bool:
        """Return a truth value."""
        return bool(self._config.get(key, default))

    def text(self, key: str, default: str = "") -> str:
        """Return a string."""
        value = self._config.get(key, default)
        if not isinstance(value, str):
            raise ValueError(f"{key} is {value!r:.60}, not a string")
        return value


def shape_of(value: Any) -> Shape | None:
    """Return a stored shape (None where an axis is free), or None if it is no shape."""
    if not isinstance(value, list | tuple) or len(value) > MAX_RANK:
        return None
    if any(axis is not None and (type(axis) is not int or not 1 <= axis <= MAX_SIZE) for axis in value):
        return None
    return tuple(-1 if axis is None else axis for axis in value)


def _size(key: str, value: Any, *, least: int = 1) -> int:
    if type(value) is not int or not least <= value <= MAX_SIZE:
        raise ValueError(f"{key} is {value!r:.60}, expected an integer from {least} to {MAX_SIZE}")
    return value
