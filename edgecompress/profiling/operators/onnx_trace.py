"""The trace of ONNX Runtime's profiler, as a table of operators."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from edgecompress.profiling.operators.names import UNKNOWN
from edgecompress.profiling.operators.times import median_ns
from edgecompress.values import OperatorTime


def parse_trace(trace: list[dict[str, Any]], *, warm_up: int, runs: int) -> tuple[OperatorTime, ...]:
    """Time of each node, the median over the last `runs` of `warm_up + runs` inferences, from whole microseconds.

    Nodes without a name are told apart by their index. Where a node's calls are not the same number in each inference,
    as in a loop, its time is the median call's, as often as it is called on average.
    """
    durations: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for event in sorted(trace, key=lambda event: event.get("ts", 0)):
        name = event.get("name", "")
        if event.get("cat") == "Node" and name.endswith("_kernel_time"):
            args = event["args"]
            if event["dur"] < 0:
                raise ValueError("a node took less than no time")
            key = (name.removesuffix("_kernel_time"), args["op_name"], str(args.get("node_index", "")))
            durations[key].append(event["dur"])
    table = []
    for (name, kind, _), series in durations.items():
        calls, rest = divmod(len(series), warm_up + runs)
        if rest:
            steady = series[len(series) * warm_up // (warm_up + runs) :]
            time_ns, often = median_ns(steady) * len(steady) / runs, len(steady) / runs
        else:
            sums = [sum(series[run * calls : (run + 1) * calls]) for run in range(warm_up, warm_up + runs)]
            time_ns, often = median_ns(sums), float(calls)
        table.append(OperatorTime(name or UNKNOWN, kind, time_ns, often))
    return tuple(table)
