"""Read image files into one uint8 array. Every file is hostile until it is decoded.

Two passes: the headers first, so that strange files, sizes and the memory that is needed are known before a pixel is
decoded. Phone photographs are turned upright by their EXIF orientation.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgecompress.data.bounds import require_memory
from edgecompress.errors import DataError
from edgecompress.progress import Progress, silent

if TYPE_CHECKING:
    from PIL.Image import Image, Resampling

_CLUTTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"})
_GRAY_MODES = frozenset({"1", "L", "LA"})
_COLOUR_MODES = frozenset({"P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"})
_EXIF_ORIENTATION = 0x0112
_TURNED_SIDEWAYS = frozenset({5, 6, 7, 8})


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

    formats = _safe_formats()
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


def read_images(
    paths: Sequence[Path],
    *,
    size: tuple[int, int] | None,
    channels: int | None,
    resize: str = "bilinear",
    on_progress: Progress = silent,
) -> np.ndarray:
    """Decode `paths` to `uint8 (N, H, W, C)`, resized to `size` (width, height) by Pillow's filter `resize`.

    Without `size` the images must have one size; without `channels` they become gray if all are, else RGB.

    Raises:
        DataError: files that are not images, are damaged, have more than 8 bits or too many pixels, by name; images
            of several sizes without `size`; or more of them than memory holds.
    """
    heads = _inspect_all(paths)
    if size is None:
        sizes = {head.size for head in heads}
        if len(sizes) > 1:
            (a, b), (c, d) = sorted(sizes)[:2]
            raise DataError(
                f"The images have {len(sizes)} different sizes, such as {a}x{b} and {c}x{d}.",
                hint="Give the resolution that they are to be resized to.",
            )
        (size,) = sizes
    channels = channels or (1 if all(head.is_gray for head in heads) else 3)
    shape = (len(paths), size[1], size[0], channels)
    require_memory(int(np.prod(shape, dtype=object)), f"The array of {len(paths)} images of {size[0]}x{size[1]}")
    pixels = np.empty(shape, np.uint8)

    def decode(index: int) -> None:
        pixels[index] = _decode(paths[index], heads[index], size=size, channels=channels, resize=resize)

    # Pillow decodes without holding the interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, _ in enumerate(pool.map(decode, range(len(paths))), start=1):
            on_progress("read images", done, len(paths))
    return pixels


def fit_image(image: Image, *, size: tuple[int, int], channels: int, resize: str) -> np.ndarray:
    """Resize an upright "L" or "RGB" image to `size` (width, height), then convert it to 1 or 3 channels."""
    if image.size != size:
        image = image.resize(size, resampling(resize))
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels[..., np.newaxis] if channels == 1 else pixels


def resampling(name: str) -> Resampling:
    """Pillow's filter of that name; raise DataError for a name that it does not have."""
    from PIL import Image

    filters = {member.name.lower(): member for member in Image.Resampling}
    if name not in filters:
        raise DataError(f"There is no resize filter {name!r}.", hint=f"Pillow has {', '.join(filters)}.")
    return filters[name]


@dataclass(frozen=True)
class _Head:
    size: tuple[int, int]  # width, height, upright
    is_gray: bool
    orientation: int


def _inspect_all(paths: Sequence[Path]) -> list[_Head]:
    from PIL import Image

    formats = _safe_formats()
    heads, strange, deep, huge = [], [], [], []
    with warnings.catch_warnings():
        # Pillow only warns of images above its limit of pixels, up to twice that limit.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for path in paths:
            try:
                with Image.open(path, formats=formats) as image:
                    head = _inspect(image)
            except (Image.DecompressionBombWarning, Image.DecompressionBombError):
                huge.append(path)
                continue
            except Exception:  # Pillow's readers raise whatever the damage leads to.
                strange.append(path)
                continue
            if image.mode in _GRAY_MODES | _COLOUR_MODES:
                heads.append(head)
            else:
                deep.append(path)
    if strange:
        raise DataError(f"Not an image, or damaged: {name_some(strange)}.", hint="Remove or replace these files.")
    if huge:
        raise DataError(f"More than {Image.MAX_IMAGE_PIXELS} pixels in {name_some(huge)}.", hint="Shrink the images.")
    if deep:
        raise DataError(f"More than 8 bits a channel in {name_some(deep)}.", hint="Convert the images to 8 bits.")
    return heads


def _inspect(image: Image) -> _Head:
    orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    width, height = image.size
    size = (height, width) if orientation in _TURNED_SIDEWAYS else (width, height)
    return _Head(size, image.mode in _GRAY_MODES, orientation)


def _safe_formats() -> list[str]:
    """All formats of Pillow but EPS, which is a program: Pillow hands it to Ghostscript."""
    from PIL import Image

    Image.init()
    return [name for name in Image.ID if name != "EPS"]


def _decode(path: Path, head: _Head, *, size: tuple[int, int], channels: int, resize: str) -> np.ndarray:
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=_safe_formats()) as opened:
            image: Image.Image = opened
            if head.orientation != 1:
                image = ImageOps.exif_transpose(image)
            if image.mode == "P" and "transparency" in image.info:
                image = image.convert("RGBA")
            return fit_image(image.convert("L" if head.is_gray else "RGB"), size=size, channels=channels, resize=resize)
    except Exception as error:  # Pillow's decoders raise whatever the damage leads to.
        raise DataError(f"The image {path} is damaged: {error}.", hint="Remove or replace it.") from error
