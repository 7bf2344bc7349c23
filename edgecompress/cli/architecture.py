"""The options that describe an architecture, shared by the commands that build one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rich_click as click

from edgecompress.cli.numbers import Finite

OPTIONS = (
    click.option("--width", type=Finite(), help="Width multiplier (mobilenet_v1, quicknet)."),
    click.option("--shallow", is_flag=True, default=None, help="Leave out the five 512-channel blocks (mobilenet_v1)."),
    click.option(
        "--stem-stride", type=click.IntRange(1, 2), help="1 for inputs under 64 pixels (mobilenet_v1, quicknet)."
    ),
    click.option("--blocks", type=click.IntRange(1, 64), help="Residual blocks a section (quicknet)."),
    click.option("--units", type=click.IntRange(1, 65536), help="Width of the hidden layers (bnn_mlp)."),
    click.option("--dropout", type=Finite(0, 1, max_open=True), help="After hidden dense layers (the LeNets)."),
    click.option("--version", type=click.Choice(["1.0", "1.1"]), help="SqueezeNet's version."),
    click.option("--bypass", type=click.Choice(["none", "simple", "complex"]), help="SqueezeNet's bypass."),
)


def architecture_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of all architectures; `chosen` keeps those that were given."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def chosen(**options: Any) -> dict[str, Any]:
    """Return the options that were given; the architecture refuses those that are not its own."""
    return {name: value for name, value in options.items() if value is not None}
