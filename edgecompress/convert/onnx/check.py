"""What an emitted ONNX file must be before it counts: a reader that opens it finds nothing that it could trip over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, shape_inference

from edgecompress.convert.onnx.checking.binary import binary_problem
from edgecompress.convert.onnx.checking.elements import clip_problem, gather_problem, number_problem, pad_problem
from edgecompress.convert.onnx.checking.facts import Facts, facts_of
from edgecompress.convert.onnx.checking.quantization import quantization_problem
from edgecompress.convert.onnx.checking.windows import convolution_problem, pool_problem, transposed_problem
from edgecompress.convert.onnx.functions import DOMAIN, VERSION, function
from edgecompress.errors import ConversionError, ModelFileError

STANDARD = ("", "ai.onnx")
LEAST_OPSET = 18  # what the functions are written in: the first with BitwiseAnd
_LEAST_IR_VERSION = 9  # 8 is the first with functions, 9 that of opset 20
_REASON_CHARACTERS = 500
_RULES: dict[str, Callable[[NodeProto, Facts], str]] = {
    "QuantizeLinear": quantization_problem,
    "DequantizeLinear": quantization_problem,
    "Conv": convolution_problem,
    "ConvTranspose": transposed_problem,
    "MaxPool": pool_problem,
    "AveragePool": pool_problem,
    "Clip": clip_problem,
    "Pad": pad_problem,
    "Gather": gather_problem,
}


def check_onnx(content: bytes) -> None:
    """Check the bytes of an emitted file without running it.

    Versions, names, functions and tensors; onnx's checker, and its strict inference, which holds each operator's types
    and shapes against its schema and the shapes that the file states; then the rules in `checking`, node by node. A
    file of others that was rewritten keeps its operators of other domains, of which nothing is known.

    Raises:
        ConversionError: the file breaks a rule; says which, and the node.
    """
    model = ModelProto()
    try:
        model.ParseFromString(content)
        _require(_versions(model))
        _require(_names(model))
        _require(_functions(model))
        _require(_tensors(model))
        checker.check_model(content)
        inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        facts = facts_of(inferred)
    except (DecodeError, checker.ValidationError, shape_inference.InferenceError, ModelFileError) as error:
        reason = " ".join(str(error).split())[:_REASON_CHARACTERS]
        raise _refusal(reason.rstrip(".") or type(error).__name__) from error
    for node in inferred.graph.node:
        if problem := _node_problem(node, facts):
            _require(f"the node '{node.name}' ({node.op_type}): {problem}")
    _require(_outputs(model, facts))


def least_ir_version(model: ModelProto) -> int:
    """The version of the file's format that a model with its operators and functions needs."""
    return max(_LEAST_IR_VERSION, helper.find_min_ir_version_for(list(model.opset_import), ignore_unknown=True))


def _require(problem: str) -> None:
    if problem:
        raise _refusal(problem)


def _refusal(problem: str) -> ConversionError:
    return ConversionError(
        f"The ONNX file that was made is not valid, and was not kept: {problem}.",
        hint="Where numbers are not finite, look at the model's weights. Else please report it with the model.",
    )


def _node_problem(node: NodeProto, facts: Facts) -> str:
    if node.domain == DOMAIN:
        return binary_problem(node, facts) or number_problem(node, facts)
    if node.domain not in STANDARD:
        return ""
    rule = _RULES.get(node.op_type)
    return number_problem(node, facts) or (rule(node, facts) if rule else "")


def _opset(model: ModelProto) -> int:
    return next((each.version for each in model.opset_import if each.domain in STANDARD), 0)


def _versions(model: ModelProto) -> str:
    """What is wrong with the versions of the file's format and operators; "" for nothing."""
    domains = Counter(STANDARD[0] if each.domain in STANDARD else each.domain for each in model.opset_import)
    if repeated := [domain for domain, count in domains.items() if count > 1]:
        return f"it names several versions of the operators of '{repeated[0]}'"
    opset, newest = _opset(model), onnx.defs.onnx_opset_version()
    if not LEAST_OPSET <= opset <= newest:
        return f"its operators are of opset {opset}, where {LEAST_OPSET} to {newest} are known"
    least = least_ir_version(model)
    if not least <= model.ir_version <= onnx.IR_VERSION:
        return f"its format is version {model.ir_version}, where {least} to {onnx.IR_VERSION} fit opset {opset}"
    used = {"" if node.domain in STANDARD else node.domain for node in model.graph.node}
    if unnamed := sorted(used - domains.keys()):
        return f"it has operators of '{unnamed[0]}', of no version"
    return ""


def _names(model: ModelProto) -> str:
    """Which name stands for two things, or for nothing; "" for none."""
    graph = model.graph
    sources = [*(each.name for each in graph.input), *(each.name for each in graph.initializer)]
    made = [value for node in graph.node for value in node.output if value]
    for what, names in (
        ("values", [*sources, *made]),
        ("nodes", [node.name for node in graph.node if node.name]),
        ("outputs", [each.name for each in graph.output]),
    ):
        if repeated := _repeated(names):
            return f"two {what} are named '{repeated}'"
    known = {"", *sources, *made}
    for node in graph.node:
        if lost := [name for name in node.input if name not in known]:
            return f"the node '{node.name}' ({node.op_type}) reads '{lost[0]}', which nothing makes"
    lost_output = next((each.name for each in graph.output if each.name not in known), "")
    return f"nothing makes the output '{lost_output}'" if lost_output else ""


def _repeated(names: Iterable[str]) -> str:
    return next((name for name, count in Counter(names).items() if count > 1), "")


def _functions(model: ModelProto) -> str:
    """Which function is called and not defined, or defined otherwise than it is meant; "" for none."""
    called = {node.op_type for node in model.graph.node if node.domain == DOMAIN}
    defined = {each.name: each for each in model.functions if each.domain == DOMAIN}
    if missing := sorted(called - defined.keys()):
        return f"it calls the function {missing[0]}, and does not define it"
    if called and (DOMAIN, VERSION) not in {(each.domain, each.version) for each in model.opset_import}:
        return f"its functions are not of version {VERSION}"
    for name, found in defined.items():
        if name not in called or found != function(name, _opset(model)):
            return f"its function {name} is not the one that is meant"
    return ""


def _tensors(model: ModelProto) -> str:
    """Which constant is not in the file itself; "" for none."""
    for each in model.graph.initializer:
        if each.data_location == TensorProto.EXTERNAL:
            return f"its constant '{each.name}' lies in another file"
    return ""


def _outputs(model: ModelProto, facts: Facts) -> str:
    """Which output is of a type or shape that the file does not state; "" for none."""
    for each in model.graph.output:
        if not facts.types.get(each.name) or facts.shapes.get(each.name) is None:
            return f"the type and shape of the output '{each.name}' are not stated"
    return ""
