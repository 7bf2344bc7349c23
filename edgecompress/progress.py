"""How long work tells that it goes on: a function that is called with what, how far and how much in all.

Beside it, sentences about what was done or found, such as the figures of an epoch, go to a `Tell`.
"""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
Tell = Callable[[str], None]


def silent(what: str, done: int, total: int) -> None:
    """Report nothing; the default of every function that takes a `Progress`."""


def untold(sentence: str) -> None:
    """Tell nothing; the default of every function that takes a `Tell`."""


def duration(seconds: float) -> str:
    """Return a time as people say it: "8 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
