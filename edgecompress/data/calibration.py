"""Calibration batches: a few hundred inputs, as the model sees them, from which ranges of activations are read."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from edgecompress.data import load
from edgecompress.data.base import Split
from edgecompress.data.bounds import reading
from edgecompress.data.files.archive import read_arrays
from edgecompress.data.files.images import list_folder
from edgecompress.data.files.pictures import Wanted, read_images
from edgecompress.data.intake import fitted, model_inputs
from edgecompress.data.npz import unlabelled_images
from edgecompress.data.preprocessing import apply, scale_pixels
from edgecompress.data.published.sources import user_path
from edgecompress.data.records import arrays_of, as_records
from edgecompress.data.stratified import stratified_order
from edgecompress.errors import DataError
from edgecompress.progress import Progress, silent
from edgecompress.values import Intake, Preprocessing, TensorSpec

DEFAULT_COUNT = 200


def calibration_batch(split: Split, intake: Intake, *, count: int, seed: int) -> tuple[np.ndarray, ...]:
    """Draw `count` different samples of a training split, classes in proportion; return an array an input of the model.

    That of images is `float32 (count, height, width, channels)`; the same seed gives the same batch, and a smaller
    count the beginning of it.

    Raises:
        DataError: `count` is below 1 or above the number of samples.
    """
    _require_count(count, available=len(split))
    chosen = stratified_order(split.labels, seed=seed)[:count]
    return model_inputs(fitted(split.images[chosen], intake), intake)


def parse_calibration(text: str) -> tuple[str, int | None]:
    """Split `DATA:N` into the data set and the number of samples, which is None if not given.

    `DATA` may contain colons. After `folder:` and `npz:` there must be a path, so that the number in `folder:7` is it.

    Raises:
        DataError: `N` is not positive.
    """
    match = re.fullmatch(r"(?P<data>.+):(?P<count>-?\d{1,9})", text, re.ASCII | re.DOTALL)
    if match is None or match["data"] in ("folder", "npz"):
        return text, None
    count = int(match["count"])
    if count < 1:
        raise DataError(f"Expected at least one calibration image; got {text!r}.", hint="Write DATA:N, as digits:200.")
    return match["data"], count


def read_calibration(
    text: str,
    preprocessing: Preprocessing,
    *,
    data_dir: Path | None = None,
    seed: int = 0,
    on_progress: Progress = silent,
) -> np.ndarray:
    """Read `DATA:N` and return a calibration batch of its training split; without N 200 images, or all of fewer.

    `folder:PATH` may hold images directly or in sub-folders, and `npz:PATH` an array `x` without `y`: labels are not
    needed. Of a folder only the images that are drawn are decoded.

    Raises:
        DataError: as `load`, `parse_calibration` and `calibration_batch`.
    """
    spec, count = parse_calibration(text)
    kind, _, path = spec.partition(":")
    if kind == "folder" and path:
        return _of_folder(user_path(path), spec, count, preprocessing, seed=seed, on_progress=on_progress)
    if kind == "npz" and path and (images := unlabelled_images(user_path(path))) is not None:
        chosen = np.random.default_rng(seed).permutation(len(images))[: _bounded(count, len(images))]
        return apply(preprocessing, images[chosen])
    dataset = load(
        spec,
        data_dir=data_dir,
        size=(preprocessing.height, preprocessing.width),
        channels=preprocessing.channels,
        fit=preprocessing.fit,
        seed=seed,
        on_progress=on_progress,
    )
    return calibration_batch(dataset.train, preprocessing, count=_bounded(count, len(dataset.train)), seed=seed)[0]


def read_input_arrays(
    text: str, inputs: tuple[TensorSpec, ...], *, named_only: bool = False, seed: int = 0
) -> tuple[np.ndarray, ...] | None:
    """Read samples as the model takes them, unscaled: `npz:PATH:N` with an array named after each input, N x its shape.

    That of a single input may be called `x` or `x_train`, too, unless `named_only`. None if the text names other data,
    or an archive without such arrays. The first axis of an input's shape is its batch.

    Raises:
        DataError: arrays of another shape or type, of different lengths, or empty; or too few of them.
    """
    spec, count = parse_calibration(text)
    kind, _, path = spec.partition(":")
    if kind != "npz" or not path:
        return None
    other = () if named_only or len(inputs) > 1 else ("x_train", "x")
    names = [(each.name, *other) for each in inputs]
    stored = read_arrays(user_path(path), tuple(name for choice in names for name in choice))
    found = [next((name for name in choice if name in stored), None) for choice in names]
    if not any(found):
        return None
    if missing := [each.name for each, name in zip(inputs, found, strict=True) if name is None]:
        raise DataError(f"{path} has no array for the model's input {', '.join(missing)}; it has {', '.join(stored)}.")
    records = as_records([stored[name or ""] for name in found], inputs, path)
    chosen = np.random.default_rng(seed).permutation(len(records))[: _bounded(count, len(records))]
    return arrays_of(records[chosen])


def _of_folder(
    folder: Path, spec: str, count: int | None, preprocessing: Preprocessing, *, seed: int, on_progress: Progress
) -> np.ndarray:
    with reading(spec):
        folders, files = list_folder(folder)
        if folders and not files:
            training = [each for each in folders if each.name.lower() in ("train", "training")]
            groups = [list_folder(each)[1] for each in (list_folder(training[0])[0] if training else folders)]
            files = tuple(file for group in groups for file in group)
            order = stratified_order(np.repeat(np.arange(len(groups)), [len(group) for group in groups]), seed=seed)
        elif folders:
            raise DataError(f"Files beside the sub-folders of {folder}: it is not clear which are meant.")
        else:
            order = np.random.default_rng(seed).permutation(len(files))
        pixels = read_images(
            [files[index] for index in order[: _bounded(count, len(files))]],
            Wanted(
                (preprocessing.width, preprocessing.height),
                preprocessing.channels,
                preprocessing.resize,
                preprocessing.fit,
            ),
            on_progress=on_progress,
        )
    return scale_pixels(pixels, preprocessing)


def _bounded(count: int | None, available: int) -> int:
    """How many samples to draw: as many as asked for, or as there are."""
    count = min(DEFAULT_COUNT if count is None else count, available)
    _require_count(count, available=available)
    return count


def _require_count(count: int, *, available: int) -> None:
    if not 1 <= count <= available:
        raise DataError(
            f"Expected 1 to {available} calibration images, as many as there are to draw from; got {count}.",
            hint="Give fewer, as in digits:100." if available else "",
        )
