"""Calibration batches: a few hundred inputs, as the model sees them, from which ranges of activations are read."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from edgecompress.data import load
from edgecompress.data.base import Split
from edgecompress.data.bounds import reading
from edgecompress.data.images import list_folder, read_images
from edgecompress.data.preprocessing import apply, scale_pixels
from edgecompress.data.sources import user_path
from edgecompress.data.stratified import stratified_order
from edgecompress.errors import DataError
from edgecompress.progress import Progress, silent
from edgecompress.values import Preprocessing

DEFAULT_COUNT = 200


def calibration_batch(split: Split, preprocessing: Preprocessing, *, count: int, seed: int) -> np.ndarray:
    """Draw `count` different images of a training split, classes in proportion; return them as the model's input.

    The batch is `float32 (count, height, width, channels)`; the same seed gives the same batch, and a smaller count
    the beginning of it.

    Raises:
        DataError: `count` is below 1 or above the number of images.
    """
    _require_count(count, available=len(split))
    chosen = stratified_order(split.labels, seed=seed)[:count]
    return apply(preprocessing, split.images[chosen])


def parse_calibration(text: str) -> tuple[str, int]:
    """Split `DATA:N` into the data set and the number of images, which is 200 if not given.

    `DATA` may contain colons. After `folder:` and `npz:` there must be a path, so that the number in `folder:7` is it.

    Raises:
        DataError: `N` is not positive.
    """
    match = re.fullmatch(r"(?P<data>.+):(?P<count>-?\d{1,9})", text, re.ASCII | re.DOTALL)
    if match is None or match["data"] in ("folder", "npz"):
        return text, DEFAULT_COUNT
    count = int(match["count"])
    if count < 1:
        raise DataError(f"Expected at least one calibration image; got {text!r}.", hint="Write DATA:N, as digits:200.")
    return match["data"], count


def read_calibration(
    text: str, preprocessing: Preprocessing, *, data_dir: Path | None = None, seed: int = 0, progress: Progress = silent
) -> np.ndarray:
    """Read `DATA:N` and return a calibration batch of its training split.

    `folder:PATH` may also be a folder with images directly inside, without labels; then N of them are drawn at random,
    and only these are decoded.

    Raises:
        DataError: as `load`, `parse_calibration` and `calibration_batch`.
    """
    spec, count = parse_calibration(text)
    kind, _, path = spec.partition(":")
    if kind == "folder" and path:
        with reading(spec):
            folders, files = list_folder(user_path(path))
            if files and not folders:
                _require_count(count, available=len(files))
                chosen = np.random.default_rng(seed).permutation(len(files))[:count]
                pixels = read_images(
                    [files[index] for index in chosen],
                    size=(preprocessing.width, preprocessing.height),
                    channels=preprocessing.channels,
                    resize=preprocessing.resize,
                    progress=progress,
                )
                return scale_pixels(pixels, preprocessing)
    resolution = max(preprocessing.height, preprocessing.width)
    dataset = load(
        spec, data_dir=data_dir, resolution=resolution, channels=preprocessing.channels, seed=seed, progress=progress
    )
    return calibration_batch(dataset.train, preprocessing, count=count, seed=seed)


def _require_count(count: int, *, available: int) -> None:
    if not 1 <= count <= available:
        raise DataError(
            f"Expected 1 to {available} calibration images, as many as there are to draw from; got {count}.",
            hint="Give fewer, as in digits:100." if available else "",
        )
