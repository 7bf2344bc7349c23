"""A file in its plain runtime, as an application would run it: LiteRT's own interpreter, or an ONNX Runtime session."""

from __future__ import annotations

from typing import Any

import numpy as np

Scales = list[tuple[float, int] | None]  # of each input or output: scale and zero point


def run_plain(path: str, inputs: list[np.ndarray], scales: tuple[Scales, Scales]) -> list[np.ndarray]:
    """Return the outputs for N samples, one after another; codes are scaled by the file, or by `scales` in ONNX."""
    if path.endswith(".onnx"):
        return _run_onnx(path, inputs, *scales)
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    results = []
    for sample in range(len(inputs[0])):
        for detail, array in zip(interpreter.get_input_details(), inputs, strict=True):
            coded = _coded(array[sample : sample + 1], detail["dtype"], detail["quantization"])
            interpreter.set_tensor(detail["index"], coded)
        interpreter.invoke()
        results.append(
            [
                _decoded(interpreter.get_tensor(detail["index"]), detail["quantization"])
                for detail in interpreter.get_output_details()
            ]
        )
    return [np.concatenate(each) for each in zip(*results, strict=True)]


def _run_onnx(path: str, inputs: list[np.ndarray], given: Scales, made: Scales) -> list[np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.x64quantprecision", "1")  # docs/conversion.md
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    results = []
    for sample in range(len(inputs[0])):
        feed = {
            node.name: _coded(array[sample : sample + 1], _dtype(node.type), scale)
            for node, array, scale in zip(session.get_inputs(), inputs, given, strict=True)
        }
        results.append([_decoded(array, scale) for array, scale in zip(session.run(None, feed), made, strict=True)])
    return [np.concatenate(each) for each in zip(*results, strict=True)]


def _dtype(kind: str) -> Any:
    return {"tensor(float)": np.float32, "tensor(double)": np.float64}.get(kind) or np.dtype(kind[7:-1])


def _coded(array: np.ndarray, dtype: Any, scale: tuple[float, int] | None) -> np.ndarray:
    if array.dtype.kind != "f" or not scale or not scale[0] or np.dtype(dtype).kind == "f":
        return array.astype(dtype)
    bounds = np.iinfo(dtype)
    return np.clip(np.round(array / scale[0]) + scale[1], bounds.min, bounds.max).astype(dtype)


def _decoded(array: np.ndarray, scale: tuple[float, int] | None) -> np.ndarray:
    if array.dtype.kind == "f" or not scale or not scale[0]:
        return array
    return (array.astype(np.float64) - scale[1]) * scale[0]
