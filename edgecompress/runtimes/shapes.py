"""How long the axes are that a file leaves free: the first, the batch, is 1, and any other must be said."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgecompress.errors import UnsupportedModelError
from edgecompress.formats.read import read_model
from edgecompress.formats.tflite.inputs import peek_inputs
from edgecompress.values import TensorSpec

Shapes = Mapping[str, tuple[int, ...]]  # by an input's name


def shape_text(shape: Sequence[int]) -> str:
    """Write a shape as `--shape` takes it, with `?` for a free axis: "1x?x3"."""
    return "x".join("?" if length < 0 else str(length) for length in shape)


def fixed_shapes(inputs: Sequence[TensorSpec], given: Shapes, *, model: str) -> tuple[tuple[int, ...], ...]:
    """Return a shape an input: the given one, where its fixed axes are the file's, or the file's with a batch of 1.

    Names that the model does not have are left alone: they may be another file's.

    Raises:
        UnsupportedModelError: an axis other than the first is free and not given, or the given shape does not fit.
    """
    shapes, missing = [], []
    for spec in inputs:
        shape = given.get(spec.name)
        if shape is None:
            shape = tuple(1 if axis == 0 and length < 0 else length for axis, length in enumerate(spec.shape))
            missing += [spec] if min(shape, default=1) < 0 else []
        elif len(shape) != len(spec.shape) or any(
            own not in (-1, length) for own, length in zip(spec.shape, shape, strict=True)
        ):
            raise UnsupportedModelError(
                f"{model}: the shape {shape_text(shape)} does not fit input {spec.name!r}, which is "
                f"{shape_text(spec.shape)}; only what is marked ? is free."
            )
        shapes.append(shape)
    if missing:
        named = " and ".join(f"{spec.name!r} of shape {shape_text(spec.shape)}" for spec in missing)
        raise UnsupportedModelError(
            f"{model} leaves more than the batch free: input {named}.",
            hint="Say how long, as in `" + " ".join(map(_example, missing)) + "`.",
        )
    return tuple(shapes)


def _example(spec: TensorSpec) -> str:
    lengths = [
        "1" if axis == 0 and length < 0 else "N" if length < 0 else str(length)
        for axis, length in enumerate(spec.shape)
    ]
    return f"--shape {shlex.quote(spec.name)}={'x'.join(lengths)}"


def shapes_to_ask(path: Path, given: Shapes) -> tuple[tuple[int, ...], ...]:
    """Return the shapes that a runtime must be asked for, one an input; none where it takes the file as it is.

    An ONNX file is read for `given` shapes alone: its runtime knows of free axes itself. Raises as `fixed_shapes` does.
    """
    if path.suffix.lower() == ".tflite":
        inputs = peek_inputs(path).specs
    elif given:
        inputs = read_model(path).inputs
    else:
        return ()
    shapes = fixed_shapes(inputs, given, model=path.name)
    free = any(min(spec.shape, default=1) < 0 for spec in inputs)
    return shapes if free else ()


def require_known_names(paths: Sequence[Path], given: Shapes) -> None:
    """Refuse a shape for an input that no file has.

    Raises:
        UnsupportedModelError: it names the inputs that there are.
    """
    if not given:
        return
    names = [
        spec.name
        for path in paths
        for spec in (peek_inputs(path).specs if path.suffix.lower() == ".tflite" else read_model(path).inputs)
    ]
    for name in given:
        if name not in names:
            known = ", ".join(map(repr, dict.fromkeys(names))) or "none"
            raise UnsupportedModelError(f"There is no input {name!r} to give a shape; the files' inputs are {known}.")
