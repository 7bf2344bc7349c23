"""The options that describe an architecture, out of the architectures' own, for the commands that build one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rich_click as click

from edgecompress.cli.numbers import Finite
from edgecompress.zoo import ARCHITECTURES
from edgecompress.zoo.architecture import Option


def _owners() -> dict[str, list[tuple[str, Option]]]:
    """Every option by its name, with the architectures that have it."""
    found: dict[str, list[tuple[str, Option]]] = {}
    for architecture in ARCHITECTURES:
        for option in architecture.options:
            found.setdefault(option.name, []).append((architecture.name, option))
    return found


OWNERS = _owners()


def architecture_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of all architectures; `chosen` keeps those that were given."""
    for name, owners in reversed(OWNERS.items()):
        command = click.option(f"--{name.replace('_', '-')}", default=None, **_described(owners))(command)
    return command


def chosen(**options: Any) -> dict[str, Any]:
    """Return the options that were given; the architecture refuses those that are not its own."""
    return {name: value for name, value in options.items() if value is not None}


def _described(owners: list[tuple[str, Option]]) -> dict[str, Any]:
    """What click is told of an option; limits are the architecture's to know."""
    _, first = owners[0]
    text = f"{first.help[0].upper()}{first.help[1:]} ({', '.join(name for name, _ in owners)})."
    if isinstance(first.default, bool):
        return {"is_flag": True, "help": text}
    if isinstance(first.default, str) and first.choices:
        return {"type": click.Choice([str(choice) for choice in first.choices]), "help": text}
    return {"type": Finite() if isinstance(first.default, float) else type(first.default), "help": text}
