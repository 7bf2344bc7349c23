"""Which shapes of a TFLite graph can be believed: where an axis is free, the file has 1 in its place.

A free first axis of the graph's inputs is the batch, of one; a reshape may put more than the batch into such an axis,
and then its tensors hold some times more than their shapes say. Any other free axis leaves open what is computed from
it.
"""

from __future__ import annotations

from fractions import Fraction

from edgecompress.formats.tflite.graph import Graph, Operator

_RESHAPES = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS"}


def open_tensors(graph: Graph) -> tuple[set[int], dict[int, Fraction]]:
    """Return the tensors whose shapes depend on free axes, and how many times as much as their shape says others hold.

    The first are those that depend on other free axes than the batch.
    """
    tensors = graph.tensors
    found = {index for index in graph.inputs if tensors[index].shape_signature == (-1,)}
    found |= {tensor.index for tensor in tensors if -1 in tensor.shape_signature[1:]}
    computed = {index for operator in graph.operators for index in operator.outputs}
    are_marked = any(-1 in tensors[index].shape_signature for index in computed)  # then those without are fixed
    more: dict[int, Fraction] = {}
    for operator in graph.operators:
        inputs = [index for index in operator.inputs if index >= 0 and tensors[index].data is None]
        is_open = not are_marked and any(index in found for index in inputs)
        for output in operator.outputs:
            times = max((more.get(index, Fraction(1)) for index in inputs), default=Fraction(1))
            times *= _hidden(graph, operator, output)
            if times != 1:
                more[output] = times
            if is_open:
                found.add(output)
    return found, more


def _hidden(graph: Graph, operator: Operator, output: int) -> Fraction:
    """How many times as many elements a reshape of a free axis makes as the file says."""
    if operator.kind not in _RESHAPES or -1 not in graph.tensors[output].shape_signature or not operator.inputs:
        return Fraction(1)
    before, after = graph.tensors[operator.inputs[0]].size, graph.tensors[output].size
    return Fraction(before, after) if before and after else Fraction(1)
