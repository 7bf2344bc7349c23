"""What it would cost to keep the kernels of int8 ONNX files as uint8, which no processor's kernels saturate with.

    python scripts/weight_types.py runs/m1/artifacts/*.int8.onnx [--rounds 200] [--json models/weight_types.json]

Each file is timed by turns with a twin whose weights are the same numbers as uint8 around 128, on one thread of this
machine; then instructions are counted on emulated Arm processors, where QEMU is installed.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from edgecompress.devices.conditions import snapshot
from edgecompress.devices.ways.emulated import QEMU
from edgecompress.pipeline.on_devices.profile import profile_files
from edgecompress.profiling.plan import Plan
from edgecompress.runs.versions import versions
from edgecompress.runtimes.engines.session import open_session
from edgecompress.storage import to_json, write_text

CPUS = ("cortex-a53", "cortex-a76")
INFERENCES = 10  # a round
OFFSET = 128


def with_uint8_kernels(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with every int8 constant that is dequantized a channel at a time, and its zero points, as uint8."""
    kernels = set()
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and any(each.name == "axis" for each in node.attribute):
            kernels.update((node.input[0], node.input[2]))
    for constant in model.graph.initializer:
        if constant.name in kernels and constant.data_type == onnx.TensorProto.INT8:
            shifted = (numpy_helper.to_array(constant).astype(np.int16) + OFFSET).astype(np.uint8)
            constant.CopyFrom(numpy_helper.from_array(shifted, constant.name))
    return model


def timed(paths: list[Path], rounds: int) -> list[list[float]]:
    """Milliseconds of an inference in each round, for each file."""
    sessions = [open_session(path) for path in paths]
    found: list[list[float]] = [[] for _ in paths]
    for session in sessions:
        random = np.random.default_rng(0)
        session.bind([random.integers(0, 120, spec.shape).astype(spec.dtype) for spec in session.inputs])
    for _ in range(rounds):
        for session, samples_ms in zip(sessions, found, strict=True):
            session.invoke()  # not timed: until now the caches were the other's
            start_ns = time.perf_counter_ns()
            for _ in range(INFERENCES):
                session.invoke()
            samples_ms.append((time.perf_counter_ns() - start_ns) / INFERENCES / 1e6)
    return found


def main() -> None:
    """Print a row a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for path in arguments.files:
            twin = Path(folder) / f"uint8-{path.name}"
            onnx.save(with_uint8_kernels(onnx.load(path)), twin)
            signed, unsigned = timed([path, twin], arguments.rounds)
            ratios = [after / before for before, after in zip(signed, unsigned, strict=True)]
            row = {"file": path.name, "int8_ms": statistics.median(signed), "ratio": statistics.median(ratios)}
            for cpu in CPUS if shutil.which(QEMU) else ():
                counts = profile_files([path, twin], devices=[f"emulated:{cpu}"], plan=Plan(processes=1)).instructions
                row[cpu] = counts[1].instructions / counts[0].instructions
            rows.append(row)
            print(" ".join(f"{key} {value:.4g}" if key != "file" else value for key, value in row.items()), flush=True)
    if arguments.json:
        write_text(arguments.json, to_json({"files": rows, "versions": versions(), "machine": snapshot()}))


if __name__ == "__main__":
    main()
