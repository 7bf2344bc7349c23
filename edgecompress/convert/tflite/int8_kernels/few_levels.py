"""Kernels that were trained in few bits, whose int8 codes must be what was trained, not near it.

A filter of the values `k t`, k whole, at most K in magnitude, would get the scale `K t / 127`, by which most of them
are no whole codes. With the scale `t / m`, `m = floor(127 / K)`, the code of each is `k m`. A batch norm that was
folded into the kernel multiplies t and changes no k.
"""

from __future__ import annotations

import numpy as np

from edgecompress.convert.tflite.editor import Editor
from edgecompress.convert.tflite.int8_kernels.scales import int8_kernels, rescale
from edgecompress.formats.tflite.file import parse_graph

LARGEST_CODE = 127
MOST_LEVELS = 63  # of 7 bits: with more, K t / 127 is t already, or as near
NEAR = 1e-3  # of a level: float32 products of k, t and a batch norm's factor are within 1e-5 of one


def with_exact_levels(content: bytes, source: bytes) -> bytes:
    """Return the int8 file with scales by which the kernels of few levels are those of the float file `source`."""
    editor = Editor(content)
    changed = False
    for kernel in list(int8_kernels(editor, parse_graph(source))):
        filters = kernel.by_filter(kernel.source)
        levels = np.array([levels_of(each) for each in filters])
        few = (levels > 0) & (levels <= MOST_LEVELS) & (LARGEST_CODE % np.maximum(levels, 1) != 0)
        if not few.any():
            continue
        steps = np.abs(filters).max(axis=1) / np.maximum(levels, 1)
        multiple = LARGEST_CODE // np.maximum(levels, 1)
        scales = np.where(few, steps / multiple, kernel.scales).astype(np.float32)
        whole = np.rint(kernel.source / kernel.spread(np.where(few, steps, 1.0))) * kernel.spread(multiple)
        rescale(editor, kernel, scales, np.where(kernel.spread(few), whole, kernel.codes))
        changed = True
    return editor.content() if changed else content


def levels_of(values: np.ndarray) -> int:
    """Return the least K by which all values are whole multiples of `max|values| / K`; 0 if none up to 63 does."""
    most = np.abs(values).max()
    if most == 0:
        return 0
    shares = np.unique(np.abs(values)) / most
    if len(shares) > MOST_LEVELS + 1:  # as most filters have that were not rounded
        return 0
    scaled = shares * np.arange(1, MOST_LEVELS + 1)[:, None]
    found = np.flatnonzero(np.abs(scaled - np.rint(scaled)).max(axis=1) < NEAR)
    return int(found[0]) + 1 if len(found) else 0
