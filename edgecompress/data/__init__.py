"""Data sets, preprocessing and calibration batches."""

from __future__ import annotations

import difflib
from pathlib import Path

from edgecompress.data.base import Dataset, Loader, Request, Split
from edgecompress.data.bounds import reading
from edgecompress.data.csv import CSV
from edgecompress.data.folder import FOLDER
from edgecompress.data.npz import NPZ
from edgecompress.data.published.cifar10 import CIFAR10
from edgecompress.data.published.digits import DIGITS
from edgecompress.data.published.fashion_mnist import FASHION_MNIST
from edgecompress.data.published.mnist import MNIST
from edgecompress.data.published.sources import user_path
from edgecompress.errors import DataError
from edgecompress.progress import Progress, silent
from edgecompress.values import TensorSpec

__all__ = ["DATA_SETS", "Dataset", "Loader", "Split", "load"]

DATA_SETS: tuple[Loader, ...] = (DIGITS, MNIST, FASHION_MNIST, CIFAR10, FOLDER, CSV, NPZ)


def load(
    spec: str,
    *,
    data_dir: Path | None = None,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    fit: str = "stretch",
    seed: int = 0,
    inputs: tuple[TensorSpec, ...] = (),
    answers: bool | None = None,
    on_progress: Progress = silent,
) -> Dataset:
    """Load a data set by its name, or `folder:PATH`, `csv:PATH` or `npz:PATH`.

    Args:
        spec: one of the forms in `DATA_SETS`.
        data_dir: the first place in which published data sets are looked for.
        size: height and width to which the files of `folder:` are resized; without it they must have one size.
            All others come as they are.
        fit: how images of another shape get that size: "stretch", "crop" or "letterbox".
        channels: 1 or 3, the channels in which the files of `folder:` are read; without it as they are.
        seed: of the split into training and test, where the data has none of its own.
        inputs: those of a model that takes arrays as they are stored, which only `npz:` has.
        answers: whether labels are what a network should answer, number by number, and no classes; None if not known.
        on_progress: told of downloads and of images read.

    Raises:
        DataError: the name is unknown, or the data is missing, empty or damaged.
    """
    name, colon, path = spec.partition(":")
    loader = next((loader for loader in DATA_SETS if loader.name == name), None)
    if loader is None:
        raise _unknown(spec, name)
    if loader.takes_path != bool(path) or bool(colon) != bool(path):
        raise DataError(f"Expected {loader.form} for a data set; got {spec!r}.")
    if channels not in (None, 1, 3) or (size is not None and min(size) < 1):
        raise DataError(f"Expected sides of at least 1 pixel, and 1 or 3 channels; got {size} and {channels}.")
    if inputs and loader is not NPZ:
        takes = ", ".join(f"'{each.name}' {each.shape[1:]}" for each in inputs)
        raise DataError(
            f"The model takes arrays, {takes}, and {spec} holds images.",
            hint="Name an archive of arrays: --data npz:PATH.",
        )
    with reading(spec):
        return loader.read(
            Request(spec, user_path(path), data_dir, size, fit, channels, seed, inputs, answers, on_progress)
        )


def _unknown(spec: str, name: str) -> DataError:
    known = [loader.form for loader in DATA_SETS]
    if Path(spec).is_dir():
        hint = f"For a folder of images, write folder:{spec}."
    elif spec.endswith(".csv"):
        hint = f"For a table of image files, write csv:{spec}."
    elif spec.endswith(".npz"):
        hint = f"For a NumPy archive, write npz:{spec}."
    else:
        nearest = difflib.get_close_matches(name, [loader.name for loader in DATA_SETS], n=1, cutoff=0.5)
        hint = f"Did you mean {nearest[0]}?" if nearest else ""
    return DataError(f"There is no data set {spec!r}; there are {', '.join(known)}.", hint=hint)
