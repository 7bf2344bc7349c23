"""How long work tells that it goes on: a function that is called with what, how far and how much in all."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """Report nothing; the default of every function that takes a `Progress`."""
