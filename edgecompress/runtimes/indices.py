"""How large the indices may be that a model takes: the rows of the tables that its graph looks them up in."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edgecompress.formats.tflite.file import read_graph
from edgecompress.formats.tflite.graph import Graph

Value = TypeVar("Value", bound=Hashable)

# What hands indices on as they are, in either format.
_FORWARD = {"RESHAPE", "CAST", "EXPAND_DIMS", "SQUEEZE", "TRANSPOSE"}
_FORWARD |= {"Reshape", "Cast", "Unsqueeze", "Squeeze", "Transpose", "Identity", "Flatten"}


@dataclass(frozen=True)
class _Step:
    """One operator as far as indices flow through it: what it reads first, what it gives, or what it looks up."""

    source: Hashable
    outputs: tuple[Hashable, ...] = ()
    rows: int = 0  # of the table that `source` is looked up in


def index_bounds(path: str | Path) -> dict[str, int]:
    """Return for each input that is looked up in tables the rows of the smallest one, by the input's name.

    Only for the child process that holds the runtime: it reads the file again. Raises ModelFileError and
    UnsupportedModelError, as the readers do.
    """
    return _of_tflite(Path(path)) if Path(path).suffix.lower() == ".tflite" else _of_onnx(Path(path))


def table_rows(graph: Graph) -> dict[int, int]:
    """Return for each input of a TFLite graph, by its tensor, the rows of the smallest table that it looks up."""
    steps = []
    for operator in graph.operators:
        if operator.kind in _FORWARD:
            steps.append(_Step(operator.inputs[0], operator.outputs))
        elif operator.kind in ("GATHER", "EMBEDDING_LOOKUP"):
            table, indices = operator.inputs[:2] if operator.kind == "GATHER" else operator.inputs[1::-1]
            axis = int(operator.options.get("axis", 0)) if operator.kind == "GATHER" else 0
            steps.append(_Step(indices, rows=_length(graph.tensors[table].shape, axis)))
    return _follow(graph.inputs, steps)


def _of_tflite(path: Path) -> dict[str, int]:
    graph = read_graph(path)
    return {graph.tensors[index].name: rows for index, rows in table_rows(graph).items()}


def _of_onnx(path: Path) -> dict[str, int]:
    from edgecompress.formats.onnx.graph import parse_model

    graph = parse_model(path.read_bytes()).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    steps = []
    for node in graph.node:
        if node.op_type in _FORWARD and node.input:
            steps.append(_Step(node.input[0], tuple(node.output)))
        elif node.op_type == "Gather" and node.input[0] in shapes:
            axis = next((each.i for each in node.attribute if each.name == "axis"), 0)
            steps.append(_Step(node.input[1], rows=_length(shapes[node.input[0]], axis)))
    return _follow([value.name for value in graph.input], steps)


def _length(shape: tuple[int, ...], axis: int) -> int:
    return shape[axis] if -len(shape) <= axis < len(shape) else 0


def _follow(inputs: Iterable[Value], steps: Iterable[_Step]) -> dict[Value, int]:
    """Carry the inputs along, in the order of the steps, and note the smallest table of each."""
    origins: dict[Hashable, Value] = {value: value for value in inputs}
    found: dict[Value, int] = {}
    for step in steps:
        if step.source not in origins:
            continue
        value = origins[step.source]
        origins |= dict.fromkeys(step.outputs, value)
        if step.rows > 0:
            found[value] = min(step.rows, found.get(value, step.rows))
    return found
