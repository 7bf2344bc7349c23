"""The last step of every conversion: load the file in the runtime that it is for, and run it once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecompress.errors import RuntimeRefusal
from edgecompress.runtimes.inputs import example_inputs
from edgecompress.runtimes.process import TIMEOUT_S, RuntimeProcess
from edgecompress.values import TensorSpec


def check_runs(
    path: str | Path, *, timeout_s: float = TIMEOUT_S
) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...], str]:
    """Load a file in a process of its own, run it once on zeros, and return inputs, outputs and runtime.

    Raises RuntimeRefusal if the runtime refuses the file, crashes, takes longer than `timeout_s`, or computes
    something that is not finite; UnsupportedModelError if an axis other than the batch is free.
    """
    with RuntimeProcess(path, timeout_s=timeout_s) as process:
        inputs, outputs, runtime = process.describe()
        for spec, values in zip(outputs, process.run(example_inputs(inputs)), strict=True):
            if not np.isfinite(values).all():
                raise RuntimeRefusal(
                    f"{runtime} runs {Path(path).name}, but from zeros its output {spec.name!r} is not finite.",
                    hint="A weight may be NaN or infinite, or a layer may divide by zero.",
                )
    return inputs, outputs, runtime
