"""Arrays as a model takes them, one an input: the rows of one structured array, chosen and kept as images are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgecompress.data.rows import Images
from edgecompress.errors import DataError
from edgecompress.values import TensorSpec


def as_records(arrays: Sequence[np.ndarray], inputs: Sequence[TensorSpec], what: str) -> np.ndarray:
    """Join an array (N, ...) an input to records (N,), with a field for each in the order of the inputs.

    Raises:
        DataError: an array has another shape or type than its input, or their lengths differ.
    """
    fitted = [fit_array(array, spec, what) for array, spec in zip(arrays, inputs, strict=True)]
    if len({len(array) for array in fitted}) > 1:
        raise DataError(f"The arrays of {what} have different lengths: {', '.join(str(len(a)) for a in fitted)}.")
    kind = np.dtype([(each.name, array.dtype, array.shape[1:]) for each, array in zip(inputs, fitted, strict=True)])
    records = np.empty(len(fitted[0]), kind)
    for spec, array in zip(inputs, fitted, strict=True):
        records[spec.name] = array
    return records


def are_records(samples: Images) -> bool:
    """Return whether samples are records, and no images."""
    return samples.dtype.names is not None


def arrays_of(records: Images) -> tuple[np.ndarray, ...]:
    """Return the array (N, ...) of each field."""
    rows = records[:]
    return tuple(np.ascontiguousarray(rows[name]) for name in rows.dtype.names or ())


def fit_array(array: np.ndarray, spec: TensorSpec, what: str) -> np.ndarray:
    """Return samples as the type of an input, whose first axis is the batch and whose free ones take any length.

    Raises:
        DataError: they have another shape, or would be others in that type, or a number is none.
    """
    fits = len(array.shape) == len(spec.shape) and all(
        wanted in (-1, found) for found, wanted in zip(array.shape[1:], spec.shape[1:], strict=True)
    )
    if not fits:
        raise DataError(
            f"{what}: the samples for the input '{spec.name}' have the shape {array.shape[1:]}; it takes "
            f"{spec.shape[1:]}."
        )
    if array.dtype.kind not in "fiub":
        raise DataError(f"{what}: the samples for the input '{spec.name}' are {array.dtype}; it takes {spec.dtype}.")
    with np.errstate(over="ignore"):
        cast = array.astype(spec.dtype)
    if cast.dtype.kind == "f" and not np.isfinite(cast).all():
        raise DataError(f"{what}: some of the samples for the input '{spec.name}' are not finite in {spec.dtype}.")
    if cast.dtype.kind != "f" and not np.array_equal(cast, array):
        raise DataError(f"{what}: the samples for the input '{spec.name}' are {array.dtype}; it takes {spec.dtype}.")
    return cast
