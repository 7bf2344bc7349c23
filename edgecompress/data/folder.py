"""`folder:PATH`: image files in one sub-folder a class, or in `train/` and `test/` (or `val/`) with those in each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecompress.data.base import Dataset, Loader, Request, Split
from edgecompress.data.images import list_folder, name_some, read_images, without_strays
from edgecompress.data.stratified import stratified_split
from edgecompress.errors import DataError

_LAYOUT = (
    "Expected one sub-folder a class with its images directly inside, such as images/cat/1.jpg, "
    "or images/train/cat/1.jpg and images/test/cat/2.jpg."
)


def read(request: Request) -> Dataset:
    """Read a folder of class folders; their names, sorted, are the labels.

    Files that are no images, in class folders or beside them, are left out, which the notes say. Images are stretched
    to `size` by Pillow's bilinear filter, which averages when it shrinks.

    Raises:
        DataError: a layout other than the expected, a class without an image, or what `read_images` raises.
    """
    strays: list[Path] = []
    parts, source = _parts(request.path, strays)
    names = _class_names(parts[0], strays)
    for part in parts[1:]:
        if differing := sorted(set(_class_names(part, strays)) ^ set(names)):
            raise DataError(f"{parts[0]} and {part} have different classes: {', '.join(differing[:5])}.", hint=_LAYOUT)
    labelled = [
        (path, label)
        for part in parts
        for label, name in enumerate(names)
        for path in _class_images(part / name, strays)
    ]
    paths, labels = zip(*labelled, strict=True)
    size = None if request.size is None else (request.size[1], request.size[0])
    # One call for all parts: they get the same size and channels.
    pixels = read_images(paths, size=size, channels=request.channels, on_progress=request.on_progress)
    whole = Split(pixels, np.asarray(labels, np.int64))
    if len(parts) == 1:
        train, test = stratified_split(whole, names=names, seed=request.seed)
    else:
        end = sum(path.is_relative_to(parts[0]) for path in paths)
        train, test = Split(whole.images[:end], whole.labels[:end]), Split(whole.images[end:], whole.labels[end:])
    found = sorted(set(strays))
    notes = (f"Left out, as no image: {name_some(found)}.",) if found else ()
    return Dataset(request.spec, train, test, names, pixels.shape[-1], source, notes)


def _folders(folder: Path, strays: list[Path]) -> tuple[Path, ...]:
    """The folders in one that holds nothing else, but for files that are no images, which are added to `strays`."""
    folders, files = list_folder(folder)
    images, others = without_strays(files)
    if images:
        raise DataError(f"Images beside the class folders of {folder}: {name_some(images)}.", hint=_LAYOUT)
    strays += others
    return folders


def _parts(root: Path, strays: list[Path]) -> tuple[tuple[Path, ...], str]:
    """The folders that hold class folders, and a text that says which they are."""
    folders = _folders(root, strays)
    names = [folder.name for folder in folders]
    held_out = next((name for name in ("test", "val") if name in names), None)
    if "train" not in names or held_out is None:
        return (root,), str(root)
    if extra := sorted(set(names) - {"train", "test", "val"}):
        raise DataError(f"Folders beside train and {held_out} in {root}: {', '.join(extra[:5])}.", hint=_LAYOUT)
    unused = "; val is not used" if held_out == "test" and "val" in names else ""
    return (root / "train", root / held_out), f"{root} (train and {held_out}{unused})"


def _class_names(part: Path, strays: list[Path]) -> tuple[str, ...]:
    folders = _folders(part, strays)
    if len(folders) < 2:
        raise DataError(
            f"{part} has {len(folders)} class folder(s); a classifier needs at least two classes.", hint=_LAYOUT
        )
    return tuple(folder.name for folder in folders)


def _class_images(folder: Path, strays: list[Path]) -> tuple[Path, ...]:
    folders, files = list_folder(folder)
    if folders:
        raise DataError(f"Folders inside the class folder {folder}: {name_some(folders)}.", hint=_LAYOUT)
    images, others = without_strays(files)
    if not images:
        raise DataError(f"The class folder {folder} holds no image.", hint=_LAYOUT)
    strays += others
    return images


FOLDER = Loader("folder", "image files, one sub-folder a class, or train/ and test/ with those", read, takes_path=True)
