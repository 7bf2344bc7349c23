"""Files to pack (20): each has to come back, and to be no larger than what any stock compressor makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from packing_against_stock import ALLOWED_BYTES, compare, onnx_model, tflite_model

Array = np.ndarray
Random = np.random.Generator


@dataclass(frozen=True)
class Packed:
    """One file by its arrays."""

    case: str
    name: str
    arrays: Callable[[Random], list[Array]]
    format: str
    keras: str = "-"
    ending: str = "-"

    def outcome(self) -> tuple[str, str, str]:
        """Pack, unpack and compare."""
        content = (onnx_model if self.format == "onnx" else tflite_model)(*self.arrays(np.random.default_rng(0)))
        try:
            row = compare("made", f"model.{self.format}", content)
        except Exception as error:
            return f"pack {self.format}", "crash", f"{type(error).__name__}: {error}"
        said = f"{row['more_than_best']:+} bytes to {row['best']} ({row['packed']} of {row['raw']})"
        return f"pack {self.format}", "right" if row["more_than_best"] <= ALLOWED_BYTES else "wrong", said


def blocks(
    random: Random, rows: int, columns: int, block: int, bits: int, *, zero: bool = False, axis: int = 0
) -> Array:
    """Integers of a few bits times a scale a block, with a zero point a block or none, along either axis."""
    codes = random.integers(-(1 << bits - 1), 1 << bits - 1, (rows // block, block, columns)).astype(np.float32)
    if zero:
        codes += random.integers(0, 1 << bits - 1, (rows // block, 1, columns))
    made = (codes * random.uniform(1e-3, 2e-3, (rows // block, 1, columns)).astype(np.float32)).reshape(rows, columns)
    return np.ascontiguousarray(made.T if axis else made)


ARRAYS: dict[str, Callable[[Random], list[Array]]] = {
    "int4, blocks of 32": lambda r: [blocks(r, 128, 128, 32, 4)],
    "int4, blocks of 64": lambda r: [blocks(r, 256, 96, 64, 4)],
    "int4, blocks of 128": lambda r: [blocks(r, 256, 64, 128, 4)],
    "int3, blocks of 16": lambda r: [blocks(r, 128, 96, 16, 3)],
    "int2, blocks of 8": lambda r: [blocks(r, 64, 128, 8, 2)],
    "int8, blocks of 32": lambda r: [blocks(r, 128, 128, 32, 8)],
    "int4 with zero points": lambda r: [blocks(r, 128, 128, 32, 4, zero=True)],
    "int4 along the rows": lambda r: [blocks(r, 128, 128, 32, 4, axis=1)],
    "int4 in three tensors": lambda r: [blocks(r, 64, 64, 32, 4) for _ in range(3)],
    "int4 in float16": lambda r: [blocks(r, 128, 128, 32, 4).astype(np.float16)],
    "int4 and ordinary": lambda r: [blocks(r, 128, 64, 32, 4), r.normal(0, 0.05, (64, 64)).astype(np.float32)],
    "one scale a column": lambda r: [blocks(r, 128, 128, 128, 4)],
    "one scale in all": lambda r: [(r.integers(-8, 8, (128, 128)) * np.float32(0.01)).astype(np.float32)],
    "bytes that repeat": lambda r: [np.tile(r.integers(-127, 127, (16, 64)).astype(np.int8), (8, 1))],
    "tensors that repeat": lambda r: [r.normal(0, 1, (64, 64)).astype(np.float32)] * 4,
    "a tensor and its transpose": lambda r: (lambda a: [a, np.ascontiguousarray(a.T)])(blocks(r, 64, 64, 32, 4)),
    "sparse int4": lambda r: [blocks(r, 128, 128, 32, 4) * (r.random((128, 128)) < 0.2).astype(np.float32)],
    "ternary": lambda r: [(r.integers(-1, 2, (128, 128)) * r.uniform(0.1, 1, (1, 128))).astype(np.float32)],
    "signs": lambda r: [(np.sign(r.normal(size=(128, 128))) * r.uniform(0.1, 1, (1, 128))).astype(np.float32)],
    "tiny": lambda r: [blocks(r, 8, 4, 4, 4)],
}  # fmt: skip


@dataclass(frozen=True)
class Files:
    """Every list of arrays in both formats."""

    def variations(self) -> Iterator[Packed]:
        """Yield them."""
        for name, arrays in ARRAYS.items():
            for format_name in ("onnx", "tflite"):
                yield Packed("20", f"{format_name}: {name}", arrays, format_name)


TABLES = (Files(),)
