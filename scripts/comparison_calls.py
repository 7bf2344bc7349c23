"""How often a comparison is right on this machine: equal files, and files with a known difference of 3 %.

Records pairs of processes of one file, interleaved as `edgecompress compare` does, then draws comparisons from them.

python scripts/comparison_calls.py FILE [--pairs 60] [--record edgecompress/profiling/testdata/recorded_pairs.npz]
    [--json models/comparison_calls.json]
python scripts/comparison_calls.py --replay edgecompress/profiling/testdata/recorded_pairs.npz [--json ...]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from edgecompress.cli.compare import PROCESSES
from edgecompress.devices.address import Address
from edgecompress.devices.conditions import snapshot
from edgecompress.devices.connect import connect
from edgecompress.devices.holding.lock import reserved
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.protocol import profile
from edgecompress.profiling.statistics import compare
from edgecompress.runs.versions import versions
from edgecompress.storage import to_json, write_bytes, write_text, written_whole

TRIALS = 500
KEPT = 400  # samples of a process, evenly over its life, for the recorded file


def main() -> None:
    """Record, draw, print, and write down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.replay:
        with np.load(arguments.replay) as recorded:
            kept = [list(recorded["first"]), list(recorded["second"])]
    else:
        kept = _record(arguments.file, arguments.pairs)
    calls = {f"{percent} %": _calls(*kept, 1 + percent / 100) for percent in (0, 3)}
    for difference, verdicts in calls.items():
        print(f"difference {difference}: {verdicts}")
    ratio = float(np.median([_pair_ratio(a, b) for a, b in zip(*kept, strict=True)]))
    print(f"the copy takes {100 * (ratio - 1):+.2f} % more time than the file: median over the pairs")
    reached = calls["0 %"]["cannot tell"] >= 0.95 * TRIALS and calls["3 %"]["slower"] >= 0.9 * TRIALS
    print("reached" if reached else "NOT REACHED")
    if arguments.record:
        with written_whole(arguments.record) as beside, beside.open("wb") as file:
            np.savez_compressed(file, first=np.array(kept[0], np.int32), second=np.array(kept[1], np.int32))
    if arguments.json:
        about = {"pairs": len(kept[0]), "processes": PROCESSES, "trials": TRIALS, "ratio_of_copies": ratio}
        write_text(arguments.json, to_json({**about, "calls": calls, "versions": versions(), "machine": snapshot()}))


def _record(path: Path, pairs: int) -> list[list[np.ndarray]]:
    """Measure a file against its copy; return the samples of each process of both."""
    twin = path.with_name(f"twin-{path.name}")
    write_bytes(twin, path.read_bytes())
    try:
        plan = Plan(processes=pairs, max_seconds=3.0)
        with connect(Address("local")) as transport, reserved(transport), Bench(transport, plan) as bench:
            measured = profile(bench, [path, twin])
    finally:
        twin.unlink()
    if invalid := next((each.invalid for each in measured if each.invalid), ""):
        raise SystemExit(f"INVALID, nothing is recorded: {invalid}.")
    return [[_thinned(series) for series in each.samples_ns] for each in measured]


def _pair_ratio(first: np.ndarray, second: np.ndarray) -> float:
    return compare([first, first], [second, second]).ratio


def _thinned(samples_ns: tuple[int, ...]) -> np.ndarray:
    chosen = np.linspace(0, len(samples_ns) - 1, KEPT).astype(int)
    return np.array(samples_ns)[chosen]


def _calls(first: list[np.ndarray], second: list[np.ndarray], factor: float) -> dict[str, int]:
    """Verdicts over comparisons of pairs drawn at random, with the second file's times multiplied."""
    generator = np.random.default_rng(0)
    verdicts = {"faster": 0, "slower": 0, "cannot tell": 0}
    for _ in range(TRIALS):
        drawn = generator.choice(len(first), PROCESSES, replace=False)
        swapped = generator.integers(2)  # which of the twins is the second
        a, b = (second, first) if swapped else (first, second)
        verdicts[compare([a[i] for i in drawn], [b[i] * factor for i in drawn]).verdict] += 1
    return verdicts


if __name__ == "__main__":
    main()
