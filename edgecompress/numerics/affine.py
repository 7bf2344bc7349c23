"""Affine quantization: `real = scale * (stored - zero_point)`, in float32 as runtimes and ONNX define it."""

from __future__ import annotations

import numpy as np

from edgecompress.errors import DataError
from edgecompress.values import QuantScheme, TensorSpec


def quantize(real: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """Store real values as the tensor does: `clip(round(real / scale) + zero_point)`.

    Rounds half to even and saturates at the ends of the integer type. `real` may have any batch size. A tensor
    without a scheme takes the values as they are, cast to its type. Raises DataError where a value is not a number
    and so has no stored form.
    """
    if spec.quant is None:
        return real.astype(spec.dtype, copy=False)
    if np.isnan(real).any():
        raise DataError(f"A value for {spec.name!r} is not a number.", hint="Look for NaN in the data.")
    scale, zero_point = _broadcast(spec.quant, real.ndim)
    steps = np.rint(real.astype(np.float32) / scale)
    limits = np.iinfo(spec.dtype)
    # float64 from here, since the ends of int32 are no float32 numbers
    return np.clip(steps.astype(np.float64) + zero_point, limits.min, limits.max).astype(spec.dtype)


def dequantize(stored: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """Real values, in float32, of stored ones; those of a tensor without a scheme are only cast."""
    if spec.quant is None:
        return stored.astype(np.float32, copy=False)
    scale, zero_point = _broadcast(spec.quant, stored.ndim)
    return (stored.astype(np.int64) - zero_point).astype(np.float32) * scale


def _broadcast(quant: QuantScheme, rank: int) -> tuple[np.ndarray, np.ndarray]:
    shape = [1] * rank
    if quant.axis is not None:
        shape[quant.axis] = -1
    scale = np.asarray(quant.scales, np.float32).reshape(shape)
    return scale, np.asarray(quant.zero_points, np.int64).reshape(shape)
