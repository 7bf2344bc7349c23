"""What must be known of a `.tflite` file before a runtime gets it, read out of any legal file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecompress.formats.tflite.tables import DAMAGE, IDENTIFIER, MAX_RANK, dtypes, name_of, opened, tensors_of
from edgecompress.values import TensorSpec

MAX_INPUTS = 64  # a file that names more is left to the runtime
_IS_VARIABLE = 14  # where a tensor's table says where the flag lies: field 5


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
    except (OSError, AttributeError, *DAMAGE):
        return TfliteInputs()


def _peek(content: bytes) -> TfliteInputs:
    if content[4:8] != IDENTIFIER:
        return TfliteInputs()
    model = opened(content)
    variables = {each._tab.Pos + each._tab.Offset(_IS_VARIABLE) for each in tensors_of(model) if each.IsVariable()}
    main, indices = _entry(model)
    return TfliteInputs(tuple(_spec(main.Tensors(index)) for index in indices), tuple(sorted(variables)))


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


def _spec(tensor: Any) -> TensorSpec:
    shape = [tensor.Shape(axis) for axis in range(_bounded(tensor.ShapeLength(), MAX_RANK))]
    if tensor.ShapeSignatureLength() == len(shape):
        shape = [tensor.ShapeSignature(axis) for axis in range(len(shape))]
    return TensorSpec(name_of(tensor), tuple(shape), dtypes().get(tensor.Type(), "unknown"))
