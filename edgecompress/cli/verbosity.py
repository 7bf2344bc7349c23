"""`--quiet` and `--verbose`, which every command has, and the group for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rich_click as click

_KEY = "edgecompress.verbosity"
QUIET, NORMAL, VERBOSE = -1, 0, 1


def verbosity() -> int:
    """Return how much the command that runs is to tell on standard error: `QUIET`, `NORMAL` or `VERBOSE`."""
    context = click.get_current_context(silent=True)
    return NORMAL if context is None else context.meta.get(_KEY, NORMAL)


def verbosity_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add both options to a command; what they say is kept for `verbosity`."""
    for name, level, words in (
        ("verbose", VERBOSE, "Tell each step on standard error."),
        ("quiet", QUIET, "Tell nothing on standard error but errors."),
    ):
        option = click.option(
            f"-{name[0]}", f"--{name}", is_flag=True, help=words, expose_value=False, callback=_setting(level)
        )
        command = option(command)
    return command


def _setting(level: int) -> Callable[[Any, Any, bool], None]:
    def keep(context: Any, _option: Any, given: bool) -> None:
        if not given:
            return
        if context.meta.setdefault(_KEY, level) != level:
            raise click.UsageError("Give --quiet or --verbose, not both.")

    return keep
