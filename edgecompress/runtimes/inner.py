"""The tensors inside a TFLite file: what every operator computes, for finding where two files part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgecompress.child.kept import child
from edgecompress.child.process import ChildLost, ChildRefusal
from edgecompress.child.service import Answer, Request
from edgecompress.errors import RuntimeRefusal
from edgecompress.numerics.affine import dequantize, quantize
from edgecompress.runtimes.process import RUNTIME
from edgecompress.values import TensorSpec


def inner_tensors(
    path: Path, inputs: tuple[TensorSpec, ...], sample: Sequence[np.ndarray], tensors: Sequence[tuple[int, TensorSpec]]
) -> list[np.ndarray | None]:
    """Run one sample of real numbers, an array an input; return the real numbers of the tensors asked for by index.

    None for a tensor that the runtime has no memory for. Raises RuntimeRefusal.
    """
    stored = [quantize(array, spec) for array, spec in zip(sample, inputs, strict=True)]
    found: list[np.ndarray | None] = []
    try:
        with child(RUNTIME) as process:
            for index, spec in tensors:
                answer, arrays = process.request("inner", stored, path=str(path.resolve()), index=index)
                found.append(dequantize(arrays[0], spec) if answer["known"] else None)
    except (ChildLost, ChildRefusal) as error:
        raise RuntimeRefusal(f"LiteRT does not tell the tensors of {path.name}: {error}.") from error
    return found


_run: dict[str, object] = {}  # the interpreter that last ran, by its path


def answer(request: Request, *, path: str, index: int) -> Answer:
    """Serve one tensor, in the child; the file is run when the first is asked for."""
    from ai_edge_litert.interpreter import Interpreter

    if path not in _run:
        _run.clear()
        interpreter = Interpreter(model_path=path, num_threads=1, experimental_preserve_all_tensors=True)
        interpreter.allocate_tensors()
        for details, array in zip(interpreter.get_input_details(), request.arrays, strict=True):
            interpreter.set_tensor(details["index"], array)
        interpreter.invoke()
        _run[path] = interpreter
    try:
        return {"known": True}, [_run[path].get_tensor(index)]  # type: ignore[attr-defined]
    except ValueError:  # "Tensor data is null"
        return {"known": False}, []
