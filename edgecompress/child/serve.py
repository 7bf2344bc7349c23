"""The child process, `python -m edgecompress.child.serve MODULE LIMITS PRELOAD...`: frames on stdin and stdout.

It may be killed at any moment, and a model file may take it over. So it gets no handle but its pipes, its resources are
bounded, and its parent believes nothing that it says without a check.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from pathlib import Path

from edgecompress.child.channel import Channel, ChannelClosed
from edgecompress.child.limits import die_with_parent, limit_resources
from edgecompress.child.service import Handler, Limits, Request
from edgecompress.errors import EdgeCompressError


def serve(channel: Channel, requests: dict[str, Handler]) -> None:
    """Answer one request after another until the other end closes."""

    def progress(what: str, done: int, total: int) -> None:
        channel.send({"progress": [what, done, total]})

    with contextlib.suppress(ChannelClosed):
        while True:
            message, arrays = channel.receive()
            request = Request(arrays, Path.cwd(), progress)
            try:
                answer, outputs = requests[message.pop("request")](request, **message)
                channel.send({"answer": answer}, outputs)
            except ChannelClosed:
                raise
            except EdgeCompressError as error:
                channel.send({"error": type(error).__name__, "message": error.message, "hint": error.hint})
            except MemoryError:
                channel.send({"refusal": "it takes more memory than a reader of files may take"})
            except Exception as error:
                channel.send({"refusal": str(error) or type(error).__name__})


def claim_pipes() -> tuple[int, int]:
    """Take stdin and stdout for frames; whatever else the process prints goes to stderr, which is its log."""
    pipes = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return pipes


def main() -> None:
    """Serve, then leave without the destructors of libraries, which have nothing left to save."""
    die_with_parent()
    pipes = claim_pipes()
    limits = Limits(**json.loads(sys.argv[2]))
    limit_resources(limits)
    requests = importlib.import_module(sys.argv[1]).REQUESTS
    for name in sys.argv[3:]:
        with contextlib.suppress(ImportError):  # the request that needs it says so
            importlib.import_module(name)
    serve(limits.channel(*pipes), requests)
    os._exit(0)


if __name__ == "__main__":
    main()
