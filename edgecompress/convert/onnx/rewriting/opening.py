"""The bytes of a float ONNX file as a model that can be rewritten: bounded, inlined, of an opset that is new enough."""

from __future__ import annotations

from onnx import AttributeProto, ModelProto, TensorProto, helper, version_converter

from edgecompress.convert.onnx.check import LEAST_OPSET, STANDARD
from edgecompress.convert.onnx.functions import DOMAIN
from edgecompress.errors import ConversionError, UnsupportedModelError
from edgecompress.formats.onnx.graph import nested_graphs, parse_model

_REASON_CHARACTERS = 300


def open_model(content: bytes) -> ModelProto:
    """Parse the bytes of an ONNX file.

    Raises:
        ModelFileError: as `parse_model` does.
        UnsupportedModelError: control flow, or tensors in other files.
        ConversionError: it is binary already, or of an old opset that cannot be converted.
    """
    model = parse_model(content)
    _require_plain(model)
    return _converted(model)


def _require_plain(model: ModelProto) -> None:
    """Refuse control flow, tensors in other files, and files that are binary already."""
    if any(each.domain == DOMAIN for each in (*model.opset_import, *model.functions)):
        raise ConversionError("The model is binary already: it uses the functions of edgecompress.")
    for node in model.graph.node:
        if next(nested_graphs(node), None) is not None:
            raise UnsupportedModelError(
                f"The node '{node.name}' is control flow ({node.op_type}), which is not rewritten."
            )
    constants = (each.t for node in model.graph.node for each in node.attribute if each.type == AttributeProto.TENSOR)
    if any(each.data_location == TensorProto.EXTERNAL for each in (*model.graph.initializer, *constants)):
        raise UnsupportedModelError(
            "Tensors of the model lie in other files.", hint="Save it as one file: onnx.save_model(model, path)."
        )


def _converted(model: ModelProto) -> ModelProto:
    """The model in an opset that the functions are written in."""
    opset = max((each.version for each in model.opset_import if each.domain in STANDARD), default=0)
    if opset >= LEAST_OPSET:
        return model
    try:
        newer = version_converter.convert_version(model, LEAST_OPSET)
    except Exception as error:  # whatever native code objects to
        reason = str(error)[:_REASON_CHARACTERS]
        raise ConversionError(
            f"The model is of ONNX opset {opset}, and cannot be converted to {LEAST_OPSET}: {reason}",
            hint=f"Export it with opset {LEAST_OPSET} or higher.",
        ) from error
    helper.set_model_props(newer, {each.key: each.value for each in model.metadata_props})  # else they are lost
    return newer
