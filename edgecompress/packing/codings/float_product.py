"""float32 products that every machine rounds alike, and small steps from them to neighbouring numbers."""

from __future__ import annotations

import numpy as np


def multiply(values: np.ndarray, factors: np.ndarray | np.floating) -> np.ndarray:
    """Return the float32 products: 0 with their sign below the normal range, and 0 where they are not finite."""
    with np.errstate(all="ignore"):
        products = values * factors
    signed = np.where(np.abs(products) >= np.finfo(np.float32).tiny, products, np.copysign(np.float32(0), products))
    return np.where(np.isfinite(products), signed, np.float32(0))


def step(products: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return the bytes of float32 numbers whose bit patterns, as integers, are `steps` (int8 as bytes) further."""
    moved = products.view("<u4") + steps.view(np.int8).astype(np.int32).view(np.uint32)
    return moved.view(np.uint8)
