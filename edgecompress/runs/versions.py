"""The versions of what figures depend on."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

LIBRARIES = (
    "tensorflow",
    "keras",
    "tf-keras",
    "tensorflow-model-optimization",
    "ai-edge-litert",
    "ai-edge-quantizer",
    "onnx",
    "onnxruntime",
    "numpy",
)


def versions() -> dict[str, str]:
    """Return the versions of Python, edgecompress and the libraries that the figures depend on."""
    from edgecompress import __version__

    found = {"python": platform.python_version(), "edgecompress": __version__}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found | {"platform": sys.platform}
