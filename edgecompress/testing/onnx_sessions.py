"""ONNX models in ONNX Runtime, as they are or with the binary kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from edgecompress.runtimes.engines import precision
from edgecompress.runtimes.engines.registration import register

LEVELS = {
    "off": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "full": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


def start_session(
    content: bytes, *, optimized: Path | None = None, without_vnni: bool = False, level: str = "full"
) -> onnxruntime.InferenceSession:
    """Load a model as our sessions do, or as on a processor without VNNI; write what was made of it to `optimized`."""
    session_options = onnxruntime.SessionOptions()
    session_options.log_severity_level = 3
    session_options.graph_optimization_level = LEVELS[level]
    if without_vnni:
        session_options.add_session_config_entry(precision.KEY, precision.VALUE)
    precision.require_precision(session_options)
    if optimized is not None:
        session_options.optimized_model_filepath = str(optimized)
    return onnxruntime.InferenceSession(content, session_options, providers=["CPUExecutionProvider"])


def run_onnx(content: bytes, *inputs: np.ndarray, **session_options: Any) -> list[np.ndarray]:
    """Run a model once in ONNX Runtime."""
    session = start_session(content, **session_options)
    return session.run(None, dict(zip((entry.name for entry in session.get_inputs()), inputs, strict=True)))


def start(model: onnx.ModelProto, **changes: Any) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 2
    for name, value in changes.items():
        setattr(options, name, value)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def with_kernels(model: onnx.ModelProto, **changes: Any) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    for name, value in changes.items():
        setattr(options, name, value)
    register(options)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
