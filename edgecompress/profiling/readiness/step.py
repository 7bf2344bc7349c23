"""One thing that was looked at before a measurement, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from edgecompress.errors import DeviceError, DeviceGone

REMEDIES = "docs/remedies.md"
State = Literal["ok", "warn", "no"]
# In the order in which they are looked at; each has a section in REMEDIES.
Name = Literal[
    "name", "port", "host key", "login", "adb", "shell", "folder", "system", "timeout", "push", "emulator",
    "cores", "clock", "governor", "throttling", "load", "screen", "battery saver", "thermal status", "runner",
]  # fmt: skip
NAMES: tuple[Name, ...] = get_args(Name)


@dataclass(frozen=True)
class Step:
    """What was found; "warn" is worth knowing of a figure, and "no" ends the chain, since there can be none."""

    name: Name
    state: State
    found: str
    remedy: str = ""

    @property
    def see(self) -> str:
        """Where more about the remedy is written; empty where none is needed."""
        return "" if self.state == "ok" else f"{REMEDIES}#{self.name.replace(' ', '-')}"


def ok(name: Name, found: str) -> Step:
    """Return a step that passed."""
    return Step(name, "ok", found)


def warn(name: Name, found: str, remedy: str) -> Step:
    """Return a step with a word of warning."""
    return Step(name, "warn", found, remedy)


def no(name: Name, error: DeviceError) -> Step:
    """Return a step that failed."""
    return Step(name, "no", error.message, error.hint)


def required(name: Name, look: Callable[[], Step]) -> Step:
    """Take a step without which nothing can be measured."""
    try:
        return look()
    except DeviceError as error:
        return no(name, error)


def wanted(name: Name, look: Callable[[], Step]) -> Step:
    """Take a step of which measuring does not depend, unless the device goes away in it."""
    try:
        return look()
    except DeviceGone as error:
        return no(name, error)
    except DeviceError as error:
        return Step(name, "warn", error.message, error.hint)
