"""The scales and zero points of a tensor in a `.tflite` file."""

from __future__ import annotations

import math
from typing import Any

from edgecompress.errors import ModelFileError, UnsupportedModelError
from edgecompress.formats.tflite.graph import BITS, integer_range
from edgecompress.formats.tflite.tables import Budget
from edgecompress.values import QuantScheme


def read_quantization(budget: Budget, table: Any, shape: tuple[int, ...], dtype: str, where: str) -> QuantScheme | None:
    """Return the scheme of a tensor, or None where it has none, or one that is doubted."""
    if table is None:
        return None
    if table.DetailsType():
        budget.doubt(
            UnsupportedModelError(
                f"{where} is quantized by blocks or a custom scheme; one scale, or one a channel, is supported."
            )
        )
        return None
    scales, zero_points = budget.vector(table, "Scale", where), budget.vector(table, "ZeroPoint", where)
    if not scales:  # a range alone, as the converter leaves it on float tensors
        return None
    axis = table.QuantizedDimension() if len(scales) > 1 else None
    zero_points = zero_points or [0]
    if len(zero_points) not in {1, len(scales)}:
        raise ModelFileError(f"{where}: {len(scales)} scales and {len(zero_points)} zero points.")
    if axis is not None and not (0 <= axis < len(shape) and shape[axis] == len(scales)):
        raise ModelFileError(f"{where}: {len(scales)} scales for axis {axis} of shape {shape}.")
    low, high = integer_range(dtype) if dtype in BITS else (-(2**63), 2**63 - 1)
    if not all(0 < scale < math.inf for scale in scales):
        budget.doubt(ModelFileError(f"{where}: a scale is not a positive number."))
        return None
    if not all(low <= zero_point <= high for zero_point in zero_points):
        budget.doubt(ModelFileError(f"{where}: a zero point is outside of {dtype}."))
        return None
    return QuantScheme(tuple(scales), tuple(zero_points * (len(scales) // len(zero_points))), axis)
