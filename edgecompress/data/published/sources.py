"""Where published data sets are looked for: the user's folder, shared caches, Debian's packages, then the network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgecompress.data.base import Split
from edgecompress.data.published.download import Download, fetch
from edgecompress.errors import DataError
from edgecompress.progress import Progress, silent

# Reads a file or folder that exists; None if it is not this data set. Damage is a DataError.
Reader = Callable[[Path], tuple[Split, Split] | None]

# Debian's dataset-* packages install here.
SYSTEM_FOLDER = Path("/usr/share/datasets")


@dataclass(frozen=True)
class Published:
    """A data set that others publish: the forms in which it lies about on disks, and where it can be fetched."""

    name: str
    forms: tuple[tuple[str, Reader], ...]  # a path below a root folder, and what reads it
    folder: Reader  # reads a folder that holds the files themselves; tried on --data-dir only
    downloads: tuple[Download, ...]
    advice: str = ""  # another way to get it, such as a package to install


def user_path(text: str) -> Path:
    """The path with `~` expanded; raise DataError if it names a user that there is not."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise DataError(f"{text} is not a path: {error}") from error


def cache_folder() -> Path:
    """Where downloads are kept: `$XDG_CACHE_HOME/edgecompress/datasets`, or the same below `~/.cache`."""
    return user_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "edgecompress" / "datasets"


def root_folders(data_dir: Path | None) -> Iterator[Path]:
    """Folders to look in, in this order: `data_dir`, `$EDGECOMPRESS_DATA`, Keras' cache, Debian's packages, ours."""
    if data_dir is not None:
        yield data_dir
    if shared := os.environ.get("EDGECOMPRESS_DATA"):
        yield user_path(shared)
    yield user_path(os.environ.get("KERAS_HOME") or "~/.keras") / "datasets"
    yield SYSTEM_FOLDER
    yield cache_folder()


def find(
    published: Published, *, data_dir: Path | None = None, on_progress: Progress = silent
) -> tuple[tuple[Split, Split], str]:
    """Read the first copy of a data set that is found, downloading it if there is none; return it and its path.

    Raises:
        DataError: `data_dir` is no folder; the copy that was found is damaged; or there is no copy, with each place
            that was looked at and what can be done.
    """
    if data_dir is not None and not data_dir.is_dir():
        raise DataError(f"There is no folder {data_dir} to look for {published.name} in.")
    for path, reader in _places(published, data_dir):
        if path.exists() and (splits := reader(path)) is not None:
            return splits, str(path)
    try:
        for item in published.downloads:
            fetch(item, cache_folder(), on_progress=on_progress)
    except DataError as error:
        folders = "\n".join(f"  {root}" for root in root_folders(data_dir))
        raise DataError(
            f"The data set {published.name} is in none of these folders:\n{folders}\n"
            f"as {', '.join(path for path, _ in published.forms)}; and {error.message}",
            hint=f"{published.advice} Give the folder that holds it with --data-dir.".strip(),
        ) from error
    for path, reader in _below(cache_folder(), published):
        if path.exists() and (splits := reader(path)) is not None:
            return splits, str(path)
    raise DataError(f"What was downloaded to {cache_folder()} is not {published.name}.")


def _places(published: Published, data_dir: Path | None) -> Iterator[tuple[Path, Reader]]:
    for root in root_folders(data_dir):
        yield from _below(root, published)
        if root == data_dir:
            yield root, published.folder


def _below(root: Path, published: Published) -> Iterator[tuple[Path, Reader]]:
    return ((root / path, reader) for path, reader in published.forms)
