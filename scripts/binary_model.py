"""QuickNet as it stands in the zoo, at 32 x 32: binary against its own float32 and int8 twins, one thread.

python scripts/binary_model.py [--rounds 30] [--json models/quicknet/speed.json]

Times and sizes do not depend on what was learnt: the weights are the first ones. The files take turns in blocks of a
few inferences, each held by a process of its own; a ratio is the median of the ratios of rounds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np

from edgecompress.convert.conversion import Source, convert
from edgecompress.convert.targets import parse_target
from edgecompress.devices.address import Address
from edgecompress.devices.conditions import snapshot
from edgecompress.devices.connect import connect
from edgecompress.devices.holding.lock import reserved
from edgecompress.environment import load_keras
from edgecompress.methods.binary import BNN
from edgecompress.methods.compress import compress
from edgecompress.methods.protocol import Prepared
from edgecompress.methods.step import Stage
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.plan import Plan
from edgecompress.runs.versions import versions
from edgecompress.storage import to_json, write_text
from edgecompress.zoo import find

FASTER, SMALLER = 3.0, 12.0  # at least
BLOCK_SECONDS = 0.2


class Untrained:
    """A trainer that leaves the weights as they are."""

    def optimizer_steps(self, stage: Stage) -> int:
        """Return that there is nothing to train."""
        return 0

    def samples(self, count: int) -> tuple[np.ndarray, ...]:
        """Return none, since nothing looks at them."""
        return (np.empty((0,), np.float32),)

    def train(self, index: int, stage: Stage, prepared: Prepared) -> None:
        """Train nothing."""


def main() -> None:
    """Measure, print a row a file, and write all down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = _files(Path(folder))
        sizes = {name: path.stat().st_size for name, path in files.items()}
        medians, runtimes = _times(files, arguments.rounds)
    for name, own in medians.items():
        print(f"{name:16} {statistics.median(own) / 1000:9.1f} us  {sizes[name]:12,} bytes  {runtimes[name]}")
    pairs = zip(medians["tflite:float32"], medians["tflite:binary"], strict=True)
    faster = statistics.median(twin / binary for twin, binary in pairs)
    smaller = sizes["tflite:float32"] / sizes["tflite:binary"]
    for what, value, limit in (("faster", faster, FASTER), ("smaller", smaller, SMALLER)):
        reached = "reached" if value >= limit else "NOT REACHED"
        print(f"tflite:binary is {value:.2f} x {what} than tflite:float32 (at least {limit:g}: {reached})")
    if arguments.json:
        result = {"times_faster": faster, "times_smaller": smaller, "rounds_ns": medians, "size_bytes": sizes}
        about = {"runtimes": runtimes, "versions": versions(), "machine": snapshot()}
        write_text(arguments.json, to_json(result | about))


def _files(folder: Path) -> dict[str, Path]:
    load_keras().utils.set_random_seed(0)
    architecture = find("quicknet")
    model = architecture.build(classes=10)
    binary = compress(model, BNN(keep_float=architecture.keep_float), Untrained()).model
    noise = np.random.default_rng(0).normal(size=(16, *model.input_shape[1:])).astype(np.float32)
    found = {}
    for variant, source, targets in (
        ("dense", model, ("tflite:float32", "tflite:int8", "onnx:float32")),
        ("binary", binary, ("tflite:binary", "onnx:binary")),
    ):
        artifacts = convert(
            Source(variant, source, "first weights"), tuple(map(parse_target, targets)), folder, calibration=(noise,)
        )
        found |= {artifact.target: Path(artifact.path) for artifact in artifacts}
    return found


def _times(files: dict[str, Path], rounds: int) -> tuple[dict[str, list[float]], dict[str, str]]:
    medians: dict[str, list[float]] = {name: [] for name in files}
    runtimes = {}
    with connect(Address("local")) as transport, reserved(transport), Bench(transport, Plan()) as bench:
        sessions = {}
        for name, path in files.items():
            sessions[name], how = bench.open(path, threads=1)
            opened = sessions[name].opened
            runtimes[name] = how.runtime(path, opened)
        for round_number in range(rounds + 1):
            for name, session in sessions.items():
                block = session.time_block(seconds=BLOCK_SECONDS)
                if round_number:  # the first warms up
                    medians[name].append(statistics.median(block.samples_ns))
    return medians, runtimes


if __name__ == "__main__":
    main()
