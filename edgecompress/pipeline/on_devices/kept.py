"""What a run keeps of one measurement after another: the last of each file, as it then was, on a device."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgecompress.errors import RunFolderError
from edgecompress.runs.folder import RunFolder
from edgecompress.values import InstructionCount, Measurement, Sustained

Measured = Measurement | InstructionCount | Sustained
KINDS: dict[str, Callable[[RunFolder], Sequence[Measured]]] = {
    "measurements": RunFolder.read_measurements,
    "instructions": RunFolder.read_instructions,
    "sustained": RunFolder.read_sustained,
}


def added(earlier: Sequence[Measured], found: Sequence[Measured]) -> list[Measured]:
    """Put what was found behind the earlier values, in the place of those of the same file, hash, device, threads."""
    new = {_key(value) for value in found}
    return [*(value for value in earlier if _key(value) not in new), *found]


def read_earlier(run: RunFolder, name: str) -> Sequence[Measured]:
    """Read what a run has of `KINDS`.

    Raises:
        RunFolderError: it is damaged, or was written by a version that knew other fields.
    """
    if not run.has(name):
        return []
    try:
        return KINDS[name](run)
    except RunFolderError as error:
        raise RunFolderError(
            f"What is measured is added to what was, which cannot be read. {error.message}",
            hint=f"Move {name}.json away, to begin anew.",
        ) from error


def add_to_run(run: RunFolder, name: str, found: Sequence[Measured]) -> None:
    """Write what was found beside what the run has, if anything was.

    Raises:
        RunFolderError: that cannot be read, or the run cannot be written.
    """
    if found:
        run.write(name, added(read_earlier(run, name), found))


def _key(value: Measured) -> tuple[str, str, str, int]:
    return value.artifact, value.sha256, value.device, value.threads
