"""`npz:PATH`: a NumPy archive with x_train, y_train, x_test and y_test, as Keras' mnist.npz, or with x and y.

Nothing in it is unpickled, and each array's header is compared with the archive's directory before memory is taken.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path

import numpy as np

from edgecompress.data.base import Dataset, Loader, Request, Split
from edgecompress.data.bounds import require_plausible
from edgecompress.data.stratified import stratified_split
from edgecompress.errors import DataError

_LAYOUT = "Expected the arrays x_train, y_train, x_test and y_test, or x and y."

# What zipfile and NumPy raise for it: OSError is an impossible offset, RuntimeError an encrypted member.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, RuntimeError, NotImplementedError)


_NAMES = ("x_train", "y_train", "x_test", "y_test", "x", "y")


def read_arrays(path: Path, names: tuple[str, ...] = _NAMES) -> dict[str, np.ndarray]:
    """Read those of the named arrays that the archive holds; by default x_train, y_train, x_test, y_test, x and y.

    Raises:
        DataError: no such file, not a zip archive, damaged, with pickled objects, or with sizes that contradict each
            other.
    """
    if not path.is_file():
        raise DataError(f"There is no file {path}.", hint=_LAYOUT)
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                stored = set(archive.namelist())
                return {name: _read_member(archive, name, path) for name in names if f"{name}.npy" in stored}
        except _DAMAGE as error:
            raise DataError(
                f"{path} is not an intact .npz archive: {error}.", hint="Write it with numpy.savez."
            ) from error


def _read_member(archive: zipfile.ZipFile, name: str, path: Path) -> np.ndarray:
    what = f"Array {name} of {path}"
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{what} is compressed by a method that numpy.savez does not use ({info.compress_type}).")
    require_plausible(info.file_size, info.compress_size, what)
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise DataError(f"{what} is of .npy version {version}, which only structured arrays need.")
        try:
            shape, fortran_order, dtype = read_header(stream)
        except Exception as error:  # the header is a Python literal: damage raises whatever its parsers raise
            raise DataError(f"{what} has no readable header: {error}.") from error
        if dtype.hasobject:
            raise DataError(f"{what} holds pickled Python objects, which are never loaded.", hint=_LAYOUT)
        size_bytes = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or size_bytes != info.file_size - stream.tell():
            raise DataError(
                f"{what} has a header for {dtype} of shape {shape}, and {info.file_size - stream.tell()} bytes of data."
            )
        data = stream.read(size_bytes)
    if len(data) != size_bytes:
        raise DataError(f"{what} is cut short: {len(data)} of {size_bytes} bytes.")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran_order else "C")


def read_splits(path: Path) -> tuple[Split, Split] | None:
    """Read the training and test split of an archive that has both; None if it has not."""
    return _to_splits(read_arrays(path), path)


def unlabelled_images(path: Path) -> np.ndarray | None:
    """Read the images of an archive with x (or x_train) alone, as pixels; None if it has labels, or no images."""
    arrays = read_arrays(path)
    if {"y", "y_train"} & arrays.keys():
        return None
    images = arrays.get("x_train", arrays.get("x"))
    return None if images is None else _to_pixels(images, str(path))


def _to_splits(arrays: dict[str, np.ndarray], path: Path) -> tuple[Split, Split] | None:
    if not {"x_train", "y_train", "x_test", "y_test"} <= arrays.keys():
        return None
    return (
        _to_split(arrays["x_train"], arrays["y_train"], f"{path} (x_train, y_train)"),
        _to_split(arrays["x_test"], arrays["y_test"], f"{path} (x_test, y_test)"),
    )


def _to_split(images: np.ndarray, labels: np.ndarray, what: str) -> Split:
    return Split(_to_pixels(images, what), _to_labels(labels, what))


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


def _to_labels(labels: np.ndarray, what: str) -> np.ndarray:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise DataError(
            f"{what}: expected integer labels of shape (N,) or (N, 1); got {labels.dtype} of shape {labels.shape}."
        )
    return labels.astype(np.int64)


def read(request: Request) -> Dataset:
    """Read an archive; one with only x and y is divided, stratified and seeded, 80 to 20."""
    arrays = read_arrays(request.path)
    splits = _to_splits(arrays, request.path)
    if splits is not None:
        names = _names(splits[0], request.path)
    elif {"x", "y"} <= arrays.keys():
        whole = _to_split(arrays["x"], arrays["y"], f"{request.path} (x, y)")
        names = _names(whole, request.path)
        splits = stratified_split(whole, names=names, seed=request.seed)
    else:
        raise DataError(f"{request.path} holds {sorted(arrays) or 'none'} of the arrays it may have.", hint=_LAYOUT)
    return Dataset(request.spec, *splits, names, splits[0].images.shape[-1], str(request.path))


def _names(split: Split, path: Path) -> tuple[str, ...]:
    """Name the classes by their labels, which must be 0..K-1 with none left out."""
    present = np.unique(split.labels)
    if not np.array_equal(present, np.arange(len(present))):
        raise DataError(
            f"{path}: expected labels 0..K-1 with an image for each; found {', '.join(map(str, present[:12]))}"
            f"{', ...' if len(present) > 12 else ''}."
        )
    return tuple(str(label) for label in present)


NPZ = Loader("npz", "a NumPy archive: x_train, y_train, x_test, y_test, or x and y", read, takes_path=True)
