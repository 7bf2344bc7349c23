"""Integer inputs and outputs for a quantized TFLite file."""

from __future__ import annotations

import tempfile
from pathlib import Path

from edgecompress.convert.quiet import quiet
from edgecompress.convert.targets import Io
from edgecompress.errors import ConversionError


def set_io(content: bytes, io: Io) -> bytes:
    """Return a file whose float32 inputs and outputs take and give `io`, with the scales of the tensors behind them.

    Raises:
        ConversionError: the first or last operator is not quantized, so that there is no scale.
    """
    if io == "float32":
        return content
    from ai_edge_litert import _pywrap_modify_model_interface as interface
    from ai_edge_litert import schema_py_generated as schema

    kind = {"int8": schema.TensorType.INT8, "uint8": schema.TensorType.UINT8}[io]
    with tempfile.TemporaryDirectory() as folder, quiet():
        before, after = Path(folder) / "before.tflite", Path(folder) / "after.tflite"
        before.write_bytes(content)
        try:
            status = interface.modify_model_interface(str(before), str(after), kind, kind)
        except RuntimeError:
            status = 1
        if status == 0:
            return after.read_bytes()
    raise ConversionError(
        f"The inputs and outputs cannot be {io}: the first or last layer stayed float32.",
        hint="Use --io float32, or do not keep these layers float.",
    )
