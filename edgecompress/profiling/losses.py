"""A file that fails costs only itself: it is left out, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgecompress.errors import DeviceError, EdgeCompressError, ModelFileError, RuntimeRefusal, UnsupportedModelError
from edgecompress.profiling.bench import Bench

OnFailure = Callable[[Path | None, EdgeCompressError], None]  # None: the device itself, with all that was left to do
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
