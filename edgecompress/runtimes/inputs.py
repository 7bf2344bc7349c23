"""Arrays to feed a model with when only its form is known: zeros, or seeded noise."""

from __future__ import annotations

import math

import numpy as np

from edgecompress.child.channel import DTYPES, MAX_ARRAY_BYTES
from edgecompress.errors import UnsupportedModelError
from edgecompress.values import TensorSpec


def example_inputs(inputs: tuple[TensorSpec, ...], *, seed: int | None = None) -> list[np.ndarray]:
    """One array an input, with a batch of one where that axis is free: zeros, or with a seed noise.

    Noise is uniform: in [0, 1) for floats, over the whole range for 8 and 16 bits. Wider integers are zero, since they
    are mostly indices. Raises UnsupportedModelError for another free axis, for strings, and for inputs too large.
    """
    generator = None if seed is None else np.random.default_rng(seed)
    shapes = [_fixed_shape(spec) for spec in inputs]
    size_bytes = sum(
        math.prod(shape) * np.dtype(spec.dtype).itemsize for shape, spec in zip(shapes, inputs, strict=True)
    )
    if size_bytes > MAX_ARRAY_BYTES:
        raise UnsupportedModelError(
            f"The model's inputs take {size_bytes} bytes; at most {MAX_ARRAY_BYTES} are allowed."
        )
    return [_array(shape, np.dtype(spec.dtype), generator) for shape, spec in zip(shapes, inputs, strict=True)]


def _fixed_shape(spec: TensorSpec) -> tuple[int, ...]:
    if spec.dtype not in DTYPES:
        raise UnsupportedModelError(f"Input {spec.name!r} is of type {spec.dtype}; only numbers can be fed.")
    shape = tuple(1 if axis == 0 and length < 0 else length for axis, length in enumerate(spec.shape))
    if any(length < 0 for length in shape):
        raise UnsupportedModelError(
            f"Input {spec.name!r} has the shape {spec.shape}, in which only the first axis, the batch, may be free.",
            hint="Fix the others, for an ONNX file with `python -m onnxruntime.tools.make_dynamic_shape_fixed`.",
        )
    return shape


def _array(shape: tuple[int, ...], dtype: np.dtype, generator: np.random.Generator | None) -> np.ndarray:
    if generator is None or (dtype.kind in "iu" and dtype.itemsize > 2):
        return np.zeros(shape, dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(dtype)
    return generator.random(shape).astype(dtype)
