"""A TFLite file as the schema's objects, to be changed and written again; for files that this process made itself."""

from __future__ import annotations

from typing import Any


def unpack(content: bytes) -> Any:
    """Return the schema's `ModelT`; constants that a quantizer put behind the flatbuffer are moved into it."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for buffer in model.buffers:
        if buffer.offset and buffer.size:
            buffer.data = memoryview(content)[buffer.offset : buffer.offset + buffer.size]
            buffer.offset = buffer.size = 0
    return model


def pack(model: Any, size_bytes: int) -> bytes:
    """Return the file; `size_bytes` is about how large it will be."""
    import flatbuffers

    builder = flatbuffers.Builder(size_bytes + 4096)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
