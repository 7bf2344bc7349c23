"""The service of a child process that reads ONNX files: shape inference is native code, which a file may crash."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from edgecompress.child.service import Answer, Handler, Request
from edgecompress.formats.onnx.summary import summarize


def summary(request: Request, *, path: str) -> Answer:
    """Summarize a file as a `ModelSummary`."""
    file = Path(path)
    return asdict(summarize(file.read_bytes(), file.parent)), []


REQUESTS: dict[str, Handler] = {"summary": summary}
