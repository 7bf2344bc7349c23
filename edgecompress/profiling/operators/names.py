"""Which layers XNNPACK's operators are, of which its profile tells the kind and nothing else.

LiteRT hands XNNPACK runs of a file's operators, and runs the others itself, telling which. So the runs are known: they
are the rest, in the order of LiteRT's partition. Within a run XNNPACK keeps the order, leaves some out and makes two of
others. Every way to lay its operators over the run's in order, each on one that may become it, is looked at: where
all of them agree, the layer is known. Shapes are not in the profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecompress.formats.tflite.graph import Graph
from edgecompress.profiling.operators.xnnpack_kinds import becomes, most_events

UNKNOWN = "cannot be told"
MOST_NAMED = 3  # layers that it may be, where it may be several
MOST_STEPS = 4_000_000


@dataclass(frozen=True)
class Event:
    """An operator of a profile, in order of execution: one of the file's, or where `node` is None one of XNNPACK's."""

    kind: str
    node: int | None


def layer_names(graph: Graph, events: Sequence[Event]) -> list[str]:
    """Return the layer of each event: the name of the tensor that it computes, several with "or", or `UNKNOWN`."""
    own = [event.node for event in events if event.node is not None]
    names = [_name(graph, event.node) for event in events]
    runs = _runs(graph, own)
    if runs is None:
        return names
    for run, group in zip(runs, _groups(events), strict=True):
        for index, candidates in zip(group, _candidates(graph, run, [events[i].kind for i in group]), strict=True):
            if 1 <= len(candidates) <= MOST_NAMED:
                names[index] = " or ".join(_name(graph, node) for node in sorted(candidates))
    return names


def _name(graph: Graph, node: int | None) -> str:
    if node is None or node >= len(graph.operators) or not graph.operators[node].outputs:
        return UNKNOWN
    return graph.tensors[graph.operators[node].outputs[0]].name


def _groups(events: Sequence[Event]) -> list[list[int]]:
    """XNNPACK's events in front of each of the file's own, and behind the last; some are empty."""
    groups: list[list[int]] = [[]]
    for index, event in enumerate(events):
        if event.node is None:
            groups[-1].append(index)
        else:
            groups.append([])
    return groups


def _runs(graph: Graph, own: Sequence[int]) -> list[list[int]] | None:
    """The delegated nodes in front of each of LiteRT's own, and behind the last; None if its order is another.

    As LiteRT partitions: from what can be computed next it takes all of one kind, delegated or not, as far as they go,
    then all of the other.
    """
    left = list(range(len(graph.operators)))
    stays = set(own)
    computed = {index for operator in graph.operators for index in operator.outputs}
    order: list[int] = []
    runs: list[list[int]] = [[]]
    while left:
        kind: bool | None = None
        moved = True
        while moved:
            moved = False
            for node in list(left):
                operator = graph.operators[node]
                if any(index in computed for index in operator.inputs) or kind not in (None, node in stays):
                    continue
                kind, moved = node in stays, True
                left.remove(node)
                computed -= set(operator.outputs)
                if kind:
                    order.append(node)
                    runs.append([])
                else:
                    runs[-1].append(node)
        if kind is None:
            return None
    return runs if order == list(own) else None


def _candidates(graph: Graph, run: Sequence[int], kinds: Sequence[str]) -> list[set[int]]:
    """For each of XNNPACK's operators the nodes that it belongs to in any way to lay them over the run."""
    found: list[set[int]] = [set() for _ in kinds]
    if len(run) * len(kinds) > MOST_STEPS:
        return found
    steps: list[list[tuple[int, int]]] = []  # for each node, from which event to which it may go
    reached = {0}
    for node in run:
        operator = graph.operators[node]
        ways = [
            (start, end)
            for start in reached
            for end in range(start, min(start + most_events(operator), len(kinds)) + 1)
            if becomes(graph, operator, tuple(kinds[start:end]))
        ]
        steps.append(ways)
        reached = {end for _, end in ways}
    leads = {len(kinds)}
    for node, ways in zip(reversed(run), reversed(steps), strict=True):
        kept = [(start, end) for start, end in ways if end in leads]
        for start, end in kept:
            for index in range(start, end):
                found[index].add(node)
        leads = {start for start, _ in kept}
    return found
