"""What must be known of a `.tflite` file before a runtime gets it, read out of any legal file."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecompress.values import TensorSpec

MAX_TENSORS = 1 << 16  # of all subgraphs; a file that names more, or more inputs, is left to the runtime
MAX_INPUTS = 64
MAX_RANK = 16
_IS_VARIABLE = 14  # where a tensor's table says where the flag lies: field 5
_DAMAGE = (struct.error, ValueError, TypeError, IndexError, OverflowError, KeyError, AttributeError)


@dataclass(frozen=True)
class TfliteInputs:
    """Inputs of the first signature, in its order, and where in the file each tensor that keeps a value says so."""

    specs: tuple[TensorSpec, ...] = ()
    variables: tuple[int, ...] = ()  # positions of bytes that are 1


def peek_inputs(path: Path) -> TfliteInputs:
    """Read inputs and variables; nothing of a file that is damaged, which is for the runtime to refuse.

    LiteRT's compiled model tells neither: it takes a free axis for one of length 1, and refuses variables.
    """
    try:
        return _peek(path.read_bytes())
    except (OSError, *_DAMAGE):
        return TfliteInputs()


def _peek(content: bytes) -> TfliteInputs:
    from ai_edge_litert import schema_py_generated as schema

    if content[4:8] != b"TFL3":
        return TfliteInputs()
    model = schema.Model.GetRootAs(content)
    dtypes = {code: name.lower() for name, code in vars(schema.TensorType).items() if not name.startswith("_")}
    subgraphs = [model.Subgraphs(index) for index in range(_bounded(model.SubgraphsLength(), MAX_TENSORS))]
    _bounded(sum(subgraph.TensorsLength() for subgraph in subgraphs), MAX_TENSORS)
    tensors = [subgraph.Tensors(index) for subgraph in subgraphs for index in range(subgraph.TensorsLength())]
    variables = {tensor._tab.Pos + tensor._tab.Offset(_IS_VARIABLE) for tensor in tensors if tensor.IsVariable()}
    main, indices = _entry(model)
    return TfliteInputs(tuple(_spec(main.Tensors(index), dtypes) for index in indices), tuple(sorted(variables)))


def _bounded(count: int, most: int) -> int:
    if count > most:
        raise ValueError(f"{count} of what {most} may be")
    return count


def _entry(model: Any) -> tuple[Any, list[int]]:
    """The subgraph that an application calls, and its inputs."""
    if model.SignatureDefsLength():
        signature = model.SignatureDefs(0)
        count = _bounded(signature.InputsLength(), MAX_INPUTS)
        inputs = [signature.Inputs(index).TensorIndex() for index in range(count)]
        return model.Subgraphs(signature.SubgraphIndex()), inputs
    main = model.Subgraphs(0)
    return main, [main.Inputs(index) for index in range(_bounded(main.InputsLength(), MAX_INPUTS))]


def _spec(tensor: Any, dtypes: dict[int, str]) -> TensorSpec:
    shape = [tensor.Shape(axis) for axis in range(_bounded(tensor.ShapeLength(), MAX_RANK))]
    if tensor.ShapeSignatureLength() == len(shape):
        shape = [tensor.ShapeSignature(axis) for axis in range(len(shape))]
    name = (tensor.Name() or b"").decode("utf-8", "replace")
    return TensorSpec(name, tuple(shape), dtypes.get(tensor.Type(), "unknown"))
