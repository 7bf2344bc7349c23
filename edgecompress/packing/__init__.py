"""The packed container: any `.tflite` or `.onnx` file as small as its content, restored bit for bit.

`unpack` needs NumPy and nothing else.
"""

from __future__ import annotations

from edgecompress.packing.container import unpack, unpack_files

__all__ = ["unpack", "unpack_files"]
