"""Many image files as one uint8 array, in memory or, if that is large, in a file that the next call finds again.

Two passes: the headers first, so that strange files, sizes and the room that is needed are known before a pixel is
decoded. Phone photographs are turned upright by their EXIF orientation.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgecompress.data.bounds import require_memory
from edgecompress.data.files.images import fit_image, name_some, safe_formats
from edgecompress.data.files.kept_pixels import kept_pixels, key_of
from edgecompress.errors import DataError
from edgecompress.progress import Progress, silent

if TYPE_CHECKING:
    from PIL.Image import Image

ON_DISK_BYTES = 1 << 30  # of pixels: beyond, they lie in a file
AT_ONCE = 64  # images that are decoded before any is put in its place
_GRAY_MODES = frozenset({"1", "L", "LA"})
_COLOUR_MODES = frozenset({"P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"})
_EXIF_ORIENTATION = 0x0112
_TURNED_SIDEWAYS = frozenset({5, 6, 7, 8})


@dataclass(frozen=True)
class Wanted:
    """What images are to become: `size` (width, height), 1 or 3 channels, by which of Pillow's filters, fitted how.

    Without a size they must have one; without channels they become gray if all are, else RGB.
    """

    size: tuple[int, int] | None
    channels: int | None
    resize: str = "bilinear"
    fit: str = "stretch"


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pixels `uint8 (N, H, W, C)`, and which of the paths that were asked for they are; the others are damaged."""

    pixels: np.ndarray
    numbers: np.ndarray


def read_images(paths: Sequence[Path], wanted: Wanted, *, on_progress: Progress = silent) -> np.ndarray:
    """Decode all of the paths.

    Raises:
        DataError: as `read_pictures`; or some are damaged or no images, by name.
    """
    found = read_pictures(paths, wanted, on_progress=on_progress)
    damaged = [path for index, path in enumerate(paths) if index not in set(found.numbers.tolist())]
    if damaged:
        raise DataError(f"Not an image, or damaged: {name_some(damaged)}.", hint="Remove or replace these files.")
    return found.pixels


def read_pictures(paths: Sequence[Path], wanted: Wanted, *, on_progress: Progress = silent) -> Pictures:
    """Decode those of the paths that are images.

    Raises:
        DataError: none is one; files that have more than 8 bits or too many pixels, by name; images of several sizes
            without a size; or more of them than memory or the disk holds.
    """
    heads = _inspect_all(paths)
    numbers = np.array([index for index, head in enumerate(heads) if head is not None], np.int64)
    if not len(numbers):
        raise DataError(f"Not an image, or damaged: {name_some(paths)}.", hint="Remove or replace these files.")
    good = [head for head in heads if head is not None]
    size = wanted.size or _only_size(good)
    channels = wanted.channels or (1 if all(head.is_gray for head in good) else 3)
    shape = (len(numbers), size[1], size[0], channels)
    chosen = [paths[index] for index in numbers]

    def decoded(index: int) -> np.ndarray | None:
        try:
            return _decode(chosen[index], good[index], size, channels, wanted)
        except DataError:
            raise  # there is no such filter
        except Exception:  # Pillow's decoders raise whatever the damage leads to
            return None

    def write(pixels: np.ndarray) -> np.ndarray:
        return _write(pixels, decoded, on_progress)

    size_bytes = int(np.prod(shape, dtype=object))
    if size_bytes > ON_DISK_BYTES:
        pixels, whole = kept_pixels(key_of(chosen, shape, wanted), shape, write)
    else:
        require_memory(size_bytes, f"The array of {len(numbers)} images of {size[0]}x{size[1]}")
        pixels = np.empty(shape, np.uint8)
        whole = write(pixels)
    if not len(whole):
        raise DataError(f"Not an image, or damaged: {name_some(paths)}.", hint="Remove or replace these files.")
    return Pictures(pixels[: len(whole)], numbers[whole])


def _write(pixels: np.ndarray, decoded: Callable[[int], np.ndarray | None], on_progress: Progress) -> np.ndarray:
    """Put each image that is whole into `pixels`, one behind the other; return the numbers of these."""
    whole: list[int] = []
    # Pillow decodes without holding the interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(pixels), AT_ONCE):
            part = range(start, min(start + AT_ONCE, len(pixels)))
            for index, image in zip(part, pool.map(decoded, part), strict=True):
                if image is not None:
                    pixels[len(whole)] = image
                    whole.append(index)
                on_progress("read images", index + 1, len(pixels))
    return np.array(whole, np.int64)


@dataclass(frozen=True)
class _Head:
    size: tuple[int, int]  # width, height, upright
    is_gray: bool
    orientation: int


def _only_size(heads: Sequence[_Head]) -> tuple[int, int]:
    sizes = {head.size for head in heads}
    if len(sizes) > 1:
        (a, b), (c, d) = sorted(sizes)[:2]
        raise DataError(
            f"The images have {len(sizes)} different sizes, such as {a}x{b} and {c}x{d}.",
            hint="Give the resolution that they are to be resized to.",
        )
    return sizes.pop()


def _inspect_all(paths: Sequence[Path]) -> list[_Head | None]:
    """The head of each file; None of those that are damaged or no images."""
    from PIL import Image

    formats = safe_formats()
    deep: list[Path] = []
    huge: list[Path] = []

    def heads() -> Iterator[_Head | None]:
        for path in paths:
            try:
                with Image.open(path, formats=formats) as image:
                    head = _inspect(image)
            except (Image.DecompressionBombWarning, Image.DecompressionBombError):
                huge.append(path)
                yield None
                continue
            except Exception:  # Pillow's readers raise whatever the damage leads to.
                yield None
                continue
            if image.mode not in _GRAY_MODES | _COLOUR_MODES:
                deep.append(path)
            yield head

    with warnings.catch_warnings():
        # Pillow only warns of images above its limit of pixels, up to twice that limit.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        found = list(heads())
    if huge:
        raise DataError(f"More than {Image.MAX_IMAGE_PIXELS} pixels in {name_some(huge)}.", hint="Shrink the images.")
    if deep:
        raise DataError(f"More than 8 bits a channel in {name_some(deep)}.", hint="Convert the images to 8 bits.")
    return found


def _inspect(image: Image) -> _Head:
    orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    width, height = image.size
    size = (height, width) if orientation in _TURNED_SIDEWAYS else (width, height)
    return _Head(size, image.mode in _GRAY_MODES, orientation)


def _decode(path: Path, head: _Head, size: tuple[int, int], channels: int, wanted: Wanted) -> np.ndarray:
    from PIL import Image, ImageOps

    with Image.open(path, formats=safe_formats()) as opened:
        image: Image.Image = opened
        if head.orientation != 1:
            image = ImageOps.exif_transpose(image)
        if image.mode == "P" and "transparency" in image.info:
            image = image.convert("RGBA")
        upright = image.convert("L" if head.is_gray else "RGB")
        return fit_image(upright, size=size, channels=channels, resize=wanted.resize, fit=wanted.fit)
