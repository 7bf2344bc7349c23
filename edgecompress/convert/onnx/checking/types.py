"""Each operator gets types that its schema allows, and one type wherever the schema uses one letter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from onnx import NodeProto, defs, helper

from edgecompress.convert.onnx.checking.facts import Facts

_VARIADIC = defs.OpSchema.FormalParameterOption.Variadic


def type_problem(node: NodeProto, facts: Facts) -> str:
    """What is wrong with the types of the inputs and outputs of one of ONNX's own operators; "" for nothing."""
    schema = defs.get_schema(node.op_type, facts.opset, "")
    allowed = {each.type_param_str: set(each.allowed_type_strs) for each in schema.type_constraints}
    bound: dict[str, tuple[str, str]] = {}  # letter: its type, and the value that has it
    for values, parameters in ((node.input, schema.inputs), (node.output, schema.outputs)):
        for name, parameter in _paired(values, parameters):
            if name not in facts.types:
                continue
            found = f"tensor({_name(facts.types[name])})"
            letter = parameter.type_str
            if found not in allowed.get(letter, {letter}):
                return f"'{name}' is {found}, which its {parameter.name} cannot be"
            if parameter.option == _VARIADIC and not parameter.is_homogeneous:
                continue
            other, value = bound.setdefault(letter, (found, name))
            if other != found:
                return f"'{name}' is {found}, where '{value}' of the same type is {other}"
    return ""


def _paired(
    values: Sequence[str], parameters: Sequence[defs.OpSchema.FormalParameter]
) -> Iterator[tuple[str, defs.OpSchema.FormalParameter]]:
    """Each value that is not left out, with the parameter that it is for; the last one may take many."""
    for position, name in enumerate(values):
        if name:
            yield name, parameters[min(position, len(parameters) - 1)]


def _name(code: int) -> str:
    """`float`, `int8`, ... as schemas have it."""
    return helper.tensor_dtype_to_string(code).removeprefix("TensorProto.").lower()
