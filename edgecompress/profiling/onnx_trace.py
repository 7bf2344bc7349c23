"""The trace of ONNX Runtime's profiler, as a table of operators."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from edgecompress.values import OperatorTime


def parse_trace(trace: list[dict[str, Any]], *, warm_up: int, runs: int) -> tuple[OperatorTime, ...]:
    """Mean time of each node over the last `runs` of `warm_up + runs` inferences, from whole microseconds."""
    durations: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in sorted(trace, key=lambda event: event.get("ts", 0)):
        name = event.get("name", "")
        if event.get("cat") == "Node" and name.endswith("_kernel_time"):
            durations[name.removesuffix("_kernel_time"), event["args"]["op_name"]].append(event["dur"])
    table = []
    for (name, kind), series in durations.items():
        steady = series[len(series) * warm_up // (warm_up + runs) :]
        table.append(OperatorTime(name, kind, 1000 * sum(steady) / runs, len(steady) / runs))
    return tuple(table)
