"""Instructions of an inference on each emulated processor, for a run's dense files, float32 and int8.

python scripts/instruction_counts.py runs/fashion_mnist [--json models/mobilenet_v1/instruction_counts.json]
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from edgecompress.devices.address import EMULATED_CPUS
from edgecompress.pipeline.on_devices.profile import profile_files
from edgecompress.profiling.plan import Plan
from edgecompress.runs.versions import versions
from edgecompress.storage import to_json, write_text

FILES = ("dense.float32.tflite", "dense.int8.tflite", "dense.float32.onnx", "dense.int8.onnx")
LIMIT = 0.0005


def main() -> None:
    """Print a row a processor, with the largest difference between processes, and write all down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    paths = [arguments.run / "artifacts" / name for name in FILES]
    rows = {}
    worst = 0.0
    for cpu in EMULATED_CPUS:
        found = profile_files(paths, devices=[f"emulated:{cpu}"], plan=Plan(processes=3), all_or_none=True).instructions
        rows[cpu] = {name: count.instructions for name, count in zip(FILES, found, strict=True)}
        for count in found:
            medians = [statistics.median(own) for own in count.counts]
            worst = max(worst, (max(medians) - min(medians)) / count.instructions)
        print(cpu, *(f"{count:,}" for count in rows[cpu].values()))
    print(f"{'reached' if worst <= LIMIT else 'NOT REACHED'}: processes differ by at most {100 * worst:.4f} %")
    if arguments.json:
        about = {"emulator": found[0].conditions["emulator"], "between_processes": worst, "versions": versions()}
        write_text(arguments.json, to_json({"counts": rows, **about}))


if __name__ == "__main__":
    main()
