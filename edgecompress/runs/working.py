"""Working in a run folder: one process at a time, and nothing half-written left of those before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from edgecompress.errors import RunFolderError
from edgecompress.locking import locked
from edgecompress.runs.folder import RunFolder
from edgecompress.storage import remove_parts

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def alone(function: Callable[Concatenate[RunFolder, Arguments], Result]) -> Callable[..., Result]:
    """Let `function`, whose first argument is a run, work in its folder while no other process does.

    What a process that was killed there has left half-written is removed first.
    """

    @wraps(function)
    def guarded(run: RunFolder, *arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        with locked(run.path):
            remove_parts(run.path)
            return function(run, *arguments, **options)

    return guarded


@contextmanager
def working_in(path: Path) -> Iterator[RunFolder]:
    """Make a run's folder if there is none, keep it to this process, and leave no empty one behind.

    Raises:
        RunFolderError: another process is at work there, or the folder cannot be made.
    """
    missing: list[Path] = []
    try:
        missing += [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(
            f"Cannot write '{path}': {error.strerror or error}.", hint="Choose a folder that is writable with --out."
        ) from error
    try:
        with locked(path):
            remove_parts(path)
            yield RunFolder(path)
    finally:
        with suppress(OSError):  # the first that is not empty
            for folder in missing:
                folder.rmdir()
