"""Arrays to feed a model with when only its form is known: zeros, or seeded noise."""

from __future__ import annotations

import math

import numpy as np

from edgecompress.child.channel import DTYPES, MAX_ARRAY_BYTES
from edgecompress.errors import UnsupportedModelError
from edgecompress.runtimes.shapes import fixed_shapes
from edgecompress.values import TensorSpec


def example_inputs(inputs: tuple[TensorSpec, ...], *, seed: int | None = None) -> list[np.ndarray]:
    """One array an input, with a batch of one where that axis is free: zeros, or with a seed noise.

    Noise is uniform: in [0, 1) for floats, over the whole range for 8 and 16 bits. Wider integers are zero, since they
    are mostly indices. Raises UnsupportedModelError for another free axis, for strings, and for inputs too large.
    """
    generator = None if seed is None else np.random.default_rng(seed)
    for spec in inputs:
        if spec.dtype not in DTYPES:
            raise UnsupportedModelError(f"Input {spec.name!r} is of type {spec.dtype}; only numbers can be fed.")
    try:
        shapes = fixed_shapes(inputs, {}, model="The model")
    except UnsupportedModelError as error:
        tool = "python -m onnxruntime.tools.make_dynamic_shape_fixed"
        raise UnsupportedModelError(error.message, hint=f"Fix it, for an ONNX file with `{tool}`.") from error
    size_bytes = sum(
        math.prod(shape) * np.dtype(spec.dtype).itemsize for shape, spec in zip(shapes, inputs, strict=True)
    )
    if size_bytes > MAX_ARRAY_BYTES:
        raise UnsupportedModelError(
            f"The model's inputs take {size_bytes} bytes; at most {MAX_ARRAY_BYTES} are allowed."
        )
    return [_array(shape, np.dtype(spec.dtype), generator) for shape, spec in zip(shapes, inputs, strict=True)]


def _array(shape: tuple[int, ...], dtype: np.dtype, generator: np.random.Generator | None) -> np.ndarray:
    if generator is None or (dtype.kind in "iu" and dtype.itemsize > 2):
        return np.zeros(shape, dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(dtype)
    return generator.random(shape).astype(dtype)
