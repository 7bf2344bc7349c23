"""Several samples, one after another, through a loaded model with any number of inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgecompress.numerics.affine import dequantize, quantize
from edgecompress.runtimes.process import RuntimeProcess


def run_samples(process: RuntimeProcess, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Run N samples of real numbers, an array an input with N rows; return the real numbers of each output.

    Inputs and outputs that hold codes are quantized and dequantized as the file says. Raises as `RuntimeProcess.run`.
    """
    inputs, outputs, _ = process.describe()
    stored = [quantize(array, spec) for array, spec in zip(arrays, inputs, strict=True)]
    return [dequantize(found, spec) for found, spec in zip(process.run_rows(stored), outputs, strict=True)]
