"""Shares that methods take: between nothing and all, and what to say where one was given as a percentage."""

from __future__ import annotations

from edgecompress.errors import MethodError


def require_share(name: str, *, above: float = 0.0, hint: str = "", **shares: float) -> None:
    """Raise `MethodError` where one of the options `shares` of the method `name` is not in [`above`, 1)."""
    for option, value in shares.items():
        if not above <= value < 1.0:
            percentage = f"Did you mean {value / 100:g}? " if 2 <= value < 100 else ""
            raise MethodError(
                f"{name} got {option} {value:g}; a share in [{above:.2g}, 1) was expected.",
                hint=f"{percentage}{hint}".strip(),
            )
