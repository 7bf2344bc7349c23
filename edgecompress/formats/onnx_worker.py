"""The child process of `read_onnx`, `python -m edgecompress.formats.onnx_worker FILE`: JSON on stdout.

A file may exhaust or crash the native code that reads it, so memory and core files are bounded before it is opened.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgecompress.errors import ModelFileError
from edgecompress.formats.onnx_summary import summarize

MIN_ADDRESS_SPACE_BYTES = 2 << 30  # Python, NumPy and onnx need a tenth of it


def main() -> None:
    """Print the summary of a file, or what is wrong with it and what to try."""
    _limit_resources()
    path = Path(sys.argv[1])
    answer: dict[str, Any]
    try:
        answer = {"summary": asdict(summarize(path.read_bytes(), path.parent))}
    except ModelFileError as error:
        answer = {"error": error.message, "hint": error.hint}
    except MemoryError:
        answer = {"error": "Reading it takes more memory than half of this machine's.", "hint": ""}
    json.dump(answer, sys.stdout)


def _limit_resources() -> None:
    physical_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = {
        resource.RLIMIT_AS: max(physical_bytes // 2, MIN_ADDRESS_SPACE_BYTES),
        resource.RLIMIT_CORE: 0,
    }
    for what, limit in limits.items():
        hard = resource.getrlimit(what)[1]
        lower = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (lower, lower))


if __name__ == "__main__":
    main()
