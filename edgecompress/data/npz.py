"""`npz:PATH`: a NumPy archive with x_train, y_train, x_test and y_test, as Keras' mnist.npz, or with x and y.

The samples are images, or arrays as the model takes them: then those of each of its inputs may have its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgecompress.data.base import Dataset, Loader, Request, Split
from edgecompress.data.files.archive import LAYOUT, read_arrays, read_kinds
from edgecompress.data.labels import class_names, to_labels
from edgecompress.data.published.sources import user_path
from edgecompress.data.records import as_records
from edgecompress.data.stratified import stratified_split
from edgecompress.errors import DataError
from edgecompress.values import TensorSpec

_NAMES = ("x_train", "y_train", "x_test", "y_test", "x", "y")
Arrays = dict[str, np.ndarray]


def read_splits(path: Path) -> tuple[Split, Split] | None:
    """Read the training and test split of an archive of images and classes that has both; None if it has not."""
    arrays = read_arrays(path, _NAMES)
    if not {"x_train", "y_train", "x_test", "y_test"} <= arrays.keys():
        return None
    return _split(arrays, "_train", path), _split(arrays, "_test", path)


def unlabelled_images(path: Path) -> np.ndarray | None:
    """Read the images of an archive with x (or x_train) alone, as pixels; None if it has labels, or no images."""
    arrays = read_arrays(path, _NAMES)
    if {"y", "y_train"} & arrays.keys():
        return None
    images = arrays.get("x_train", arrays.get("x"))
    return None if images is None else _to_pixels(images, str(path))


def is_archive_of_arrays(spec: str) -> bool:
    """Return whether data is an archive whose samples are no images: no bytes, or of other shapes."""
    kind, _, path = spec.partition(":")
    if kind != NPZ.name or not path:
        return False
    kinds = read_kinds(user_path(path), ("x_train", "x"))
    samples = kinds.get("x_train", kinds.get("x"))
    return samples is None or samples.dtype != np.uint8 or len(samples.shape) not in (3, 4)


def read(request: Request) -> Dataset:
    """Read an archive; one with only x and y is divided, stratified and seeded, 80 to 20."""
    path, inputs = request.path, request.inputs
    own = [f"{each.name}{part}" for each in inputs for part in ("", "_train", "_test")]
    arrays = read_arrays(path, dict.fromkeys((*_NAMES, *own)))
    if _has(arrays, "_train", inputs) and _has(arrays, "_test", inputs):
        train, test = (_split(arrays, part, path, inputs, answers=request.answers) for part in ("_train", "_test"))
        names = class_names(train.labels, str(path))
    elif _has(arrays, "", inputs):
        whole = _split(arrays, "", path, inputs, answers=request.answers)
        names = class_names(whole.labels, str(path))
        train, test = stratified_split(whole, names=names, seed=request.seed)
    else:
        hint = LAYOUT
        if len(inputs) > 1:
            listed = ", ".join(each.name for each in inputs)
            hint = f"An array is needed for each input, {listed}, and y; or each of them with _train and with _test."
        raise DataError(f"{path} holds {sorted(arrays) or 'none'} of the arrays it may have.", hint=hint)
    return Dataset(request.spec, train, test, names, 0 if inputs else train.images.shape[-1], str(path))


def _has(arrays: Arrays, part: str, inputs: Sequence[TensorSpec]) -> bool:
    own = [f"{each.name}{part}" in arrays for each in inputs]
    return f"y{part}" in arrays and ((bool(own) and all(own)) or (f"x{part}" in arrays and len(inputs) < 2))


def _split(
    arrays: Arrays, part: str, path: Path, inputs: Sequence[TensorSpec] = (), *, answers: bool | None = None
) -> Split:
    what = f"{path} (x{part}, y{part})"
    labels = to_labels(arrays[f"y{part}"], what, answers=answers)
    if not inputs:
        return Split(_to_pixels(arrays[f"x{part}"], what), labels)
    samples = [arrays.get(f"{each.name}{part}", arrays.get(f"x{part}")) for each in inputs]
    return Split(as_records([each for each in samples if each is not None], inputs, str(path)), labels)


def _to_pixels(images: np.ndarray, what: str) -> np.ndarray:
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or images.dtype.kind not in "uf":
        raise DataError(
            f"{what}: expected images as uint8, or float in [0, 1], of shape (N, H, W) or (N, H, W, C) with 1 or 3 "
            f"channels; got {images.dtype} of shape {images.shape}."
        )
    if images.dtype.kind == "f":
        # Written so that NaN fails as well.
        if images.size and not (images.min() >= 0 and images.max() <= 1):
            raise DataError(
                f"{what}: float images must lie in [0, 1]; these lie in {images.min():g}..{images.max():g}.",
                hint="Save 0..255 as uint8.",
            )
        return np.rint(images * 255).astype(np.uint8)
    if images.dtype != np.uint8:
        raise DataError(f"{what}: expected images as uint8 or float in [0, 1]; got {images.dtype}.")
    return images


NPZ = Loader("npz", "a NumPy archive of images or arrays: x_train, y_train, x_test, y_test, or x and y", read, True)
