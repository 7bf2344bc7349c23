"""Image files: which of a folder's files are some, and one of them as pixels of a size. Every file is hostile."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgecompress.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image, Resampling

_CLUTTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"})
FITS = ("stretch", "crop", "letterbox")


def list_folder(folder: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the sub-folders and the files of `folder`, sorted, without hidden ones and clutter like Thumbs.db.

    Raises:
        DataError: there is no such folder, or an entry is neither file nor folder (a link in a circle, a pipe).
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    entries = sorted(
        path for path in folder.iterdir() if not path.name.startswith(".") and path.name.lower() not in _CLUTTER
    )
    folders = tuple(path for path in entries if path.is_dir())
    others = [path for path in entries if not path.is_dir()]
    files = tuple(path for path in others if path.is_file())
    if strange := sorted(set(others) - set(files)):
        raise DataError(
            f"Neither a file nor a folder: {name_some(strange)}.", hint="Remove broken links and special files."
        )
    return folders, files


def without_strays(paths: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the images among files, and those that neither their name nor their content says to be images.

    A file whose name is an image's stays, even if it is damaged: it was meant to be one.
    """
    from PIL import Image

    formats = safe_formats()
    suffixes = Image.registered_extensions()
    images: list[Path] = []
    strays: list[Path] = []
    for path in paths:
        (images if path.suffix.lower() in suffixes or _opens(path, formats) else strays).append(path)
    return tuple(images), tuple(strays)


def _opens(path: Path, formats: list[str]) -> bool:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its size, which counts where it is read
            Image.open(path, formats=formats).close()
    except Exception:  # Pillow's readers raise whatever the content leads to
        return False
    return True


def name_some(paths: Sequence[Path]) -> str:
    """The first five paths, and how many more there are."""
    more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
    return ", ".join(str(path) for path in paths[:5]) + more


def fit_image(image: Image, *, size: tuple[int, int], channels: int, resize: str, fit: str) -> np.ndarray:
    """Resize an upright "L" or "RGB" image to `size` (width, height), then convert it to 1 or 3 channels.

    As `fit` says it is stretched, or its middle is taken, or all of it with black on two sides.

    Raises:
        DataError: there is no such filter or way.
    """
    from PIL import ImageOps

    if fit not in FITS:
        raise DataError(f"There is no way {fit!r} to fit an image.", hint=f"There are {', '.join(FITS)}.")
    if image.size != size:
        kernel = resampling(resize)
        if fit == "crop":
            image = ImageOps.fit(image, size, kernel)
        elif fit == "letterbox":
            image = ImageOps.pad(image, size, kernel, color=0)
        else:
            image = image.resize(size, kernel)
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels[..., np.newaxis] if channels == 1 else pixels


def resampling(name: str) -> Resampling:
    """Pillow's filter of that name; raise DataError for a name that it does not have."""
    from PIL import Image

    filters = {member.name.lower(): member for member in Image.Resampling}
    if name not in filters:
        raise DataError(f"There is no resize filter {name!r}.", hint=f"Pillow has {', '.join(filters)}.")
    return filters[name]


def safe_formats() -> list[str]:
    """All formats of Pillow but EPS, which is a program: Pillow hands it to Ghostscript."""
    from PIL import Image

    Image.init()
    return [name for name in Image.ID if name != "EPS"]
