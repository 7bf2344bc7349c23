"""How long `edgecompress --help` takes, as a whole process.

python scripts/startup_time.py [--runs 20] [--json models/startup_time.json]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from edgecompress.devices.conditions import snapshot
from edgecompress.runs.versions import versions
from edgecompress.storage import to_json, write_text

LIMIT_S = 0.4


def main() -> None:
    """Print the median and the spread, and write them down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    times = []
    for _ in range(arguments.runs + 1):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "edgecompress", "--help"], check=True, capture_output=True)
        times.append(time.perf_counter() - begin)
    times = times[1:]  # the first may compile bytecode
    median = statistics.median(times)
    print(f"edgecompress --help: median {median:.3f} s, {min(times):.3f} to {max(times):.3f} s over {len(times)} runs")
    print("reached" if median < LIMIT_S else f"NOT REACHED: above {LIMIT_S} s")
    if arguments.json:
        write_text(
            arguments.json,
            to_json({"times_s": times, "median_s": median, "versions": versions(), "machine": snapshot()}),
        )


if __name__ == "__main__":
    main()
