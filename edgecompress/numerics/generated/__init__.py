"""Kernels that are a formula of fewer numbers. `KINDS` is the one table of them, by the names that files have."""

from __future__ import annotations

from edgecompress.numerics.generated.protocol import Generated
from edgecompress.numerics.generated.vector_codebook import VectorCodebook

KINDS: tuple[type[Generated], ...] = (VectorCodebook,)
