"""Whether an emitted TFLite file is one that LiteRT runs: every operator against its rules, before anything runs."""

from __future__ import annotations

from collections import Counter

from edgecompress.convert.tflite.rules import (
    binary,
    blocks,
    choices,
    codes,
    elementwise,
    movement,
    parts,
    products,
    reductions,
    windows,
)
from edgecompress.convert.tflite.rules.node import Misfit, Node, Rules
from edgecompress.convert.tflite.rules.versions import NEWEST
from edgecompress.errors import ConversionError, ModelFileError, UnsupportedModelError
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.formats.tflite.graph import Graph, Operator, Tensor

RULES: dict[str, Rules] = {
    **windows.RULES, **products.RULES, **elementwise.RULES, **movement.RULES, **parts.RULES, **blocks.RULES,
    **reductions.RULES, **choices.RULES, **codes.RULES,
}  # fmt: skip
_NAME = "The emitted TFLite file"
_LISTED = 10  # problems of one file
_HINT = (
    "It would crash or compute wrongly, and is not kept. "
    "Leave the layer out with --keep-float, or emit another target; and report this model."
)


def check_tflite(content: bytes) -> tuple[str, ...]:
    """Return in words what of a TFLite file was not checked: operators without rules, and shapes that are free.

    All else fits: the file's structure, the order of operators, signatures, and each operator's version, inputs,
    types, shapes and scales.

    Raises:
        ConversionError: a rule is broken; it names the operator, by kind and output, and the rule.
    """
    try:
        graph = parse_graph(content, name=_NAME)
    except UnsupportedModelError as error:
        return (f"Not checked against LiteRT's rules: {error.message.removeprefix(f'{_NAME}: ')}",)
    except ModelFileError as error:
        raise ConversionError(error.message, hint=_HINT) from error
    problems, unknown, free = _signature_problems(graph) + _tensor_problems(graph), Counter[str](), list[str]()
    for operator in graph.operators:
        kind = operator.custom_code or operator.kind
        where = f"{kind} '{_name(graph, operator)}'"
        found = binary.CUSTOM_RULES.get(kind) if operator.kind == "CUSTOM" else RULES.get(kind)
        try:
            _require_version(operator)
            if found is None:
                unknown[kind] += 1
            elif not found.check(Node(graph, operator)):
                free.append(where)
        except Misfit as rule:
            problems.append(f"{where}: {rule}")
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems[:_LISTED])
        raise ConversionError(f"{_NAME} breaks {len(problems)} of LiteRT's rules:\n{listed}.", hint=_HINT)
    notes = [f"Not checked, since no rules of it are known: {kind} ({count}x)." for kind, count in unknown.items()]
    if free:
        notes.append(f"Shapes that are known only while the file runs are not checked, first those of {free[0]}.")
    return tuple(notes)


def _name(graph: Graph, operator: Operator) -> str:
    return graph.tensors[operator.outputs[0]].name if operator.outputs else f"number {operator.index}"


def _require_version(operator: Operator) -> None:
    if operator.kind == "CUSTOM":
        return
    newest = NEWEST.get(operator.kind)
    if newest is None:
        raise Misfit("LiteRT has no such operator")
    if not 1 <= operator.version <= newest:
        raise Misfit(f"it is of version {operator.version}; LiteRT has up to {newest}")


def _signature_problems(graph: Graph) -> list[str]:
    """A signature names each input and output of the graph once, and nothing else."""
    problems = []
    for signature in graph.signatures:
        for side, named, own in (
            ("inputs", signature.inputs, graph.inputs),
            ("outputs", signature.outputs, graph.outputs),
        ):
            if set(named.values()) != set(own):
                problems.append(f"signature '{signature.key}': its {side} are not those of the graph")
    return problems


def _tensor_problems(graph: Graph) -> list[str]:
    return [problem for tensor in graph.tensors if (problem := _tensor_problem(tensor))]


def _tensor_problem(tensor: Tensor) -> str:
    """Codes of int16 lie around 0: its kernels know of no zero point."""
    if tensor.dtype == "int16" and tensor.quant is not None and any(tensor.quant.zero_points):
        return f"{tensor} is int16 with the zero point {tensor.quant.zero_points[0]}; 0 is expected"
    return ""
