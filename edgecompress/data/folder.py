"""`folder:PATH`: image files in one sub-folder a class, or in `train/` and `test/` (or `val/`) with those in each."""

from __future__ import annotations

from pathlib import Path

from edgecompress.data.base import Dataset, Loader, Request
from edgecompress.data.files.images import list_folder, name_some, without_strays
from edgecompress.data.files.labelled import LabelledFile, read_labelled
from edgecompress.errors import DataError

_LAYOUT = (
    "Expected one sub-folder a class with its images directly inside, such as images/cat/1.jpg, "
    "or images/train/cat/1.jpg and images/test/cat/2.jpg, with images/val beside them if epochs are to be scored by it."
)


def read(request: Request) -> Dataset:
    """Read a folder of class folders; their names, sorted, are the labels.

    Files that are no images, in class folders or beside them, and damaged ones are left out, which the notes say.

    Raises:
        DataError: a layout other than the expected, a class without an image, or what `read_labelled` raises.
    """
    strays: list[Path] = []
    parts, source = _parts(request.path, strays)
    names = _class_names(parts["train"], strays)
    for part in parts.values():
        if differing := sorted(set(_class_names(part, strays)) ^ set(names)):
            raise DataError(
                f"{parts['train']} and {part} have different classes: {', '.join(differing[:5])}.", hint=_LAYOUT
            )
    labelled = [
        LabelledFile(path, label, kind)
        for kind, part in parts.items()
        for label, name in enumerate(names)
        for path in _class_images(part / name, strays)
    ]
    found = sorted(set(strays))
    notes = (f"Left out, as no image: {name_some(found)}.",) if found else ()
    return read_labelled(labelled, names, request, source=source, divided="test" in parts, notes=notes)


def _folders(folder: Path, strays: list[Path]) -> tuple[Path, ...]:
    """The folders in one that holds nothing else, but for files that are no images, which are added to `strays`."""
    folders, files = list_folder(folder)
    images, others = without_strays(files)
    if images:
        raise DataError(f"Images beside the class folders of {folder}: {name_some(images)}.", hint=_LAYOUT)
    strays += others
    return folders


def _parts(root: Path, strays: list[Path]) -> tuple[dict[str, Path], str]:
    """The folders that hold class folders, by what their images are for, and a text that says which they are."""
    folders = _folders(root, strays)
    names = [folder.name for folder in folders]
    held_out = next((name for name in ("test", "val") if name in names), None)
    if "train" not in names or held_out is None:
        return {"train": root}, str(root)
    if extra := sorted(set(names) - {"train", "test", "val"}):
        raise DataError(f"Folders beside train and {held_out} in {root}: {', '.join(extra[:5])}.", hint=_LAYOUT)
    parts = {"train": root / "train", "test": root / held_out}
    if held_out == "test" and "val" in names:
        return parts | {"val": root / "val"}, f"{root} (train, val and test)"
    return parts, f"{root} (train and {held_out})"


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


FOLDER = Loader(
    "folder", "image files, one sub-folder a class, or train/, test/ and perhaps val/ with those", read, takes_path=True
)
