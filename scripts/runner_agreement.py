"""Whether our runner measures what LiteRT's own tool, `litert-benchmark`, does: the same files, by turns.

python scripts/runner_agreement.py FILE FILE FILE [--rounds 15] [--json models/runner_agreement.json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from edgecompress.devices.address import Address
from edgecompress.devices.conditions import snapshot
from edgecompress.devices.connect import connect
from edgecompress.devices.holding.lock import reserved
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.plan import Plan
from edgecompress.runs.versions import versions
from edgecompress.storage import to_json, write_text

LIMIT = 0.05
SECONDS = 1.0


def main() -> None:
    """Print both medians of each file and their ratio over the rounds, and write them down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = []
    with connect(Address("local")) as transport, reserved(transport), Bench(transport, Plan()) as bench:
        for path in arguments.files:
            found.append(_agreement(bench, path, arguments.rounds))
            each = found[-1]
            print(
                f"{each['file']}: ours {each['ours_ms']:.3f} ms, litert-benchmark {each['theirs_ms']:.3f} ms; "
                f"ratio by rounds: median {each['ratio']:.3f}, {min(each['ratios']):.3f} to {max(each['ratios']):.3f}"
            )
    worst = max(abs(each["ratio"] - 1) for each in found)
    print(f"{'reached' if worst <= LIMIT else 'NOT REACHED'}: at most {100 * worst:.1f} % apart")
    if arguments.json:
        write_text(arguments.json, to_json({"files": found, "versions": versions(), "machine": snapshot()}))


def _agreement(bench: Bench, path: Path, rounds: int) -> dict[str, object]:
    """A round is a process of each, which of them first by turns; the first round only warms the disk's cache."""
    ours, theirs = [], []
    for index in range(rounds + 1):
        for tool in (_ours, _theirs)[:: 1 if index % 2 else -1]:
            (ours if tool is _ours else theirs).append(tool(bench, path))
    ours, theirs = ours[1:], theirs[1:]
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return {
        "file": path.name,
        "ours_ms": statistics.median(ours),
        "theirs_ms": statistics.median(theirs),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "our_p50_ms": ours,
        "their_p50_ms": theirs,
    }


def _ours(bench: Bench, path: Path) -> float:
    session, _ = bench.open(path, threads=1)
    session.time_block(seconds=SECONDS / 2)
    block = session.time_block(seconds=SECONDS)
    bench.close(session)
    return statistics.median(block.samples_ns) / 1e6


def _theirs(bench: Bench, path: Path) -> float:
    """As many runs as take about as long; its figures have two decimals of a millisecond."""
    estimate_ms = _run_theirs(path, runs=20, warm_up=5)
    runs = max(50, int(SECONDS * 1000 / estimate_ms))
    return _run_theirs(path, runs=runs, warm_up=runs // 2)


def _run_theirs(path: Path, *, runs: int, warm_up: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-m", "ai_edge_litert.tools.benchmark_litert_model", f"--model={path}"]
        command += [f"--num_runs={runs}", f"--warmup_runs={warm_up}", "--num_threads=1", f"--result_json={result}"]
        subprocess.run(command, check=True, capture_output=True)
        return json.loads(result.read_text())["latency"]["median_ms"]


if __name__ == "__main__":
    main()
