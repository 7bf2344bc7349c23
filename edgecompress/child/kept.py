"""Children that outlive a request: started once a command, and ended with it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # they need NumPy, and a command that starts no child does not
    from edgecompress.child.process import Child
    from edgecompress.child.service import Service

_lock = threading.Lock()
_idle: list[tuple[Service, Child]] | None = None  # None: nobody keeps children


@contextmanager
def kept() -> Iterator[None]:
    """Keep children that are done with one file for the next one, until the block ends; then end them all."""
    global _idle
    if _idle is not None:  # an outer block keeps them
        yield
        return
    _idle = []
    try:
        yield
    finally:
        idle, _idle = _idle, None
        for _, child in idle:
            child.close()


def are_kept() -> bool:
    """Return whether a child that is given back serves another."""
    return _idle is not None


@contextmanager
def child(service: Service) -> Iterator[Child]:
    """A child for one user: an idle one if some are kept, else a new one, ended after the block unless it is kept."""
    taken = take(service)
    try:
        yield taken
    finally:
        give_back(service, taken)


def start(service: Service) -> None:
    """Have a child get ready while other things are done, if children are kept."""
    if _idle is not None:
        taken = take(service)
        taken.start()
        give_back(service, taken)


def take(service: Service) -> Child:
    """Return a child for one user, who must give it back."""
    from edgecompress.child.process import Child

    with _lock:
        idle = next((each for each in _idle or () if each[0] == service), None)
        if idle is None:
            return Child(service)
        assert _idle is not None
        _idle.remove(idle)
        return idle[1]


def give_back(service: Service, child: Child) -> None:
    """Keep a child for the next user, or end it if nobody keeps children.

    A child dies with the thread that started it, so that only those of the main thread are worth keeping.
    """
    with _lock:
        if _idle is not None and threading.current_thread() is threading.main_thread():
            _idle.append((service, child))
            return
    child.close()
