"""Biases that the quantizer saturates: those of filters that are zero, or nearly so.

A bias has the scale of its filter times that of the input. Of a filter that was pruned away the quantizer makes a scale
of 1e-11, with which the greatest int32 is 1e-4: a channel that is a constant then is another one. Such a scale is taken
as large as the bias needs, and as XNNPACK does, which leaves an operator alone whose product of scales is below 2^-32
of the output's.
"""

from __future__ import annotations

import numpy as np

from edgecompress.convert.tflite.editor import Editor
from edgecompress.convert.tflite.int8_kernels.scales import Int8Kernel, int8_kernels, rescale
from edgecompress.formats.tflite.file import parse_graph

LARGEST_CODE = 2.0**30  # of a bias: sums of products go on top of it, in int32
LEAST_PRODUCT = 2.0**-31


def with_biases_that_fit(content: bytes, source: bytes) -> bytes:
    """Return the int8 file with scales of zero filters such that its biases are those of the float file `source`."""
    editor = Editor(content)
    kernels = list(int8_kernels(editor, parse_graph(source)))
    with_biases = [each for each in kernels if any(reader.bias is not None for reader in each.readers)]
    changed = [_widen(editor, kernel) for kernel in with_biases]
    return editor.content() if any(changed) else content


def _widen(editor: Editor, kernel: Int8Kernel) -> bool:
    """Give the filters of a kernel scales with which the biases of its operators fit; say whether any changed."""
    scales, filters = kernel.scales, kernel.by_filter(kernel.codes)
    needed = np.zeros(len(scales))
    for reader in kernel.readers:
        bias = reader.bias if reader.bias is not None else np.zeros(1)
        least = np.maximum(np.abs(bias) / LARGEST_CODE, reader.output_scale * LEAST_PRODUCT) / reader.input_scale
        needed = np.maximum(needed, least if len(scales) > 1 else least.max())
    full = filters.any(axis=1)
    usual = scales[full].min() if full.any() else np.float32(1 / 127)
    wanted = np.where(full, scales, np.maximum(scales, usual))
    wanted = np.maximum(wanted, needed).astype(np.float32)
    if (wanted == scales).all():
        return False
    smaller = np.rint(kernel.codes * kernel.spread((scales / wanted).astype(np.float64)))
    rescale(editor, kernel, wanted, smaller)
    return True
