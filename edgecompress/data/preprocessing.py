"""From images to the model's input: resize, convert channels, then `pixel * scale + offset` in float32."""

from __future__ import annotations

import numpy as np

from edgecompress.data.base import Dataset, require_images
from edgecompress.data.bounds import require_memory
from edgecompress.data.files.images import FITS, fit_image, resampling
from edgecompress.data.rows import Images
from edgecompress.errors import DataError
from edgecompress.values import Preprocessing


def standard(
    dataset: Dataset,
    *,
    size: tuple[int, int],
    channels: int | None = None,
    input_range: tuple[float, float] = (-1.0, 1.0),
    fit: str = "stretch",
) -> Preprocessing:
    """Input of `size` (height, width), pixels mapped to `input_range`, in the data set's channels if not told."""
    low, high = input_range
    preprocessing = Preprocessing(
        *size,
        channels or dataset.channels,
        scale=((high - low) / 255,),
        offset=(low,),
        fit=fit,
        labels=dataset.labels,
    )
    _require_supported(preprocessing)
    return preprocessing


def apply(preprocessing: Preprocessing, images: np.ndarray) -> np.ndarray:
    """Turn `uint8 (N, h, w, c)` into `float32 (N, height, width, channels)`.

    Raises:
        DataError: images of another type or shape, or a preprocessing that asks for what is not there.
    """
    return scale_pixels(fit_pixels(images, preprocessing), preprocessing)


def fit_pixels(images: Images, preprocessing: Preprocessing) -> Images:
    """Resize, then convert channels; the result is uint8, and `images` itself where nothing is to be done.

    Gray is replicated to RGB; RGB becomes gray by ITU-R 601 luma, `(299 R + 587 G + 114 B) / 1000`.
    """
    require_images(images)
    _require_supported(preprocessing)
    size = (preprocessing.width, preprocessing.height)
    if (images.shape[2], images.shape[1]) != size:
        images = _resize(images[:], size, preprocessing)
    if images.shape[3] == preprocessing.channels:
        return images
    images = images[:]
    return np.repeat(images, 3, axis=3) if preprocessing.channels == 3 else _to_gray(images)


def scale_pixels(pixels: Images, preprocessing: Preprocessing) -> np.ndarray:
    """Compute `pixel * scale + offset` in float32, from `uint8 (N, height, width, channels)`."""
    require_images(pixels)
    _require_supported(preprocessing)
    expected = (preprocessing.height, preprocessing.width, preprocessing.channels)
    if pixels.shape[1:] != expected:
        raise DataError(f"Expected pixels of shape (N, {', '.join(map(str, expected))}); got {pixels.shape}.")
    scaled = pixels[:].astype(np.float32)
    scaled *= np.asarray(preprocessing.scale, np.float32)
    scaled += np.asarray(preprocessing.offset, np.float32)
    return scaled


def _resize(images: np.ndarray, size: tuple[int, int], preprocessing: Preprocessing) -> np.ndarray:
    from PIL import Image

    width, height = size
    shape = (len(images), height, width, images.shape[3])
    require_memory(int(np.prod(shape, dtype=object)), f"Resizing {len(images)} images to {width}x{height}")
    resized = np.empty(shape, np.uint8)
    # Pillow takes gray as (h, w), not (h, w, 1). Threads made this slower: the images are too small.
    for source, target in zip(_planes(images), resized, strict=True):
        target[:] = fit_image(
            Image.fromarray(source),
            size=size,
            channels=shape[3],
            resize=preprocessing.resize,
            fit=preprocessing.fit,
        )
    return resized


def _planes(images: np.ndarray) -> np.ndarray:
    return images[..., 0] if images.shape[3] == 1 else images


def _to_gray(images: np.ndarray) -> np.ndarray:
    """Convert by Pillow; each pixel is on its own, so that an image may be a row of a tall one."""
    from PIL import Image

    count, height, width, _ = images.shape
    gray = np.empty((count, height, width, 1), np.uint8)
    for source, target in zip(images, gray, strict=True):
        target[..., 0] = np.asarray(Image.fromarray(source).convert("L"))
    return gray


def _require_supported(preprocessing: Preprocessing) -> None:
    channels = preprocessing.channels
    if preprocessing.height < 1 or preprocessing.width < 1 or channels not in (1, 3) or preprocessing.layout != "NHWC":
        raise DataError(
            f"Expected a preprocessing to height and width of at least 1, 1 or 3 channels, layout NHWC; got "
            f"{preprocessing.height}x{preprocessing.width}x{channels}, {preprocessing.layout}."
        )
    if not {len(preprocessing.scale), len(preprocessing.offset)} <= {1, channels}:
        raise DataError(
            f"Expected one scale and offset, or one for each of the {channels} channels; "
            f"got {len(preprocessing.scale)} and {len(preprocessing.offset)}."
        )
    resampling(preprocessing.resize)
    if preprocessing.fit not in FITS:
        raise DataError(f"There is no way {preprocessing.fit!r} to fit an image.", hint=f"There are {', '.join(FITS)}.")
