"""A file that fails costs only itself, and a device that goes away for a while only what it was at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from edgecompress.errors import (
    DeviceError,
    DeviceGone,
    EdgeCompressError,
    ModelFileError,
    RuntimeRefusal,
    UnsupportedModelError,
)
from edgecompress.profiling.bench import Bench
from edgecompress.progress import Progress

OnFailure = Callable[[Path | None, EdgeCompressError], None]  # None: the device itself, with all that was left to do
CAME_BACK = "it went away in the middle of a round and came back"
Result = TypeVar("Result")
_OF_A_FILE = (RuntimeRefusal, ModelFileError, UnsupportedModelError)


@contextmanager
def only_itself(
    bench: Bench, path: Path, on_failure: OnFailure | None, give_up: Callable[[], object]
) -> Iterator[None]:
    """Tell `on_failure` what a file raises in the block, and call `give_up`; without `on_failure` it is raised.

    A device that fails is one that no longer answers: if it does, it is the file on which it failed.

    Raises:
        DeviceError: the device has gone.
    """
    try:
        yield
    except (*_OF_A_FILE, DeviceError) as error:
        if on_failure is None:
            raise
        give_up()
        if isinstance(error, DeviceError):
            bench.look()
        on_failure(path, error)


def once_more(
    bench: Bench,
    measure: Callable[[], Result],
    forget: Callable[[], None],
    *,
    notes: list[str],
    on_progress: Progress,
) -> Result:
    """Measure, and once more if the device goes away in the middle and comes back; it is noted, and may happen once.

    `forget` takes back what was begun.

    Raises:
        DeviceError: it goes away again, stays away, or another device is in its place.
    """
    while True:
        try:
            return measure()
        except DeviceGone:
            forget()
            if CAME_BACK in notes:
                raise
            bench.rejoin(on_try=lambda: on_progress(f"waiting for {bench.device} to come back", 0, 1))
            notes.append(CAME_BACK)
