"""A guarded child process, seen from its parent: started when it is first asked, and anew after it was lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress import errors
from edgecompress.child.channel import ChannelClosed, FrameError
from edgecompress.child.service import Answer, Service
from edgecompress.progress import Progress, silent

TIMEOUT_S = 60.0
REASON_CHARACTERS = 300
LOG_BYTES = 4096  # read from its end
DEFAULTS = {
    "TF_USE_LEGACY_KERAS": "1",  # TF-MOT looks at tf.keras: a second to import Keras 3, for nothing
    "EDGECOMPRESS_OWN_PROCESS": "1",  # see edgecompress.environment
}
_ENDING_S = 10.0  # for a child that closed its pipes to end


class ChildLost(Exception):
    """The child crashed, hung or spoke nonsense, and was ended; the next request starts another."""

    def __init__(self, what: str, *, last_words: str = "") -> None:
        super().__init__(what)
        self.what = what  # as a predicate: "crashed (SIGSEGV)"
        self.last_words = last_words  # the last line of its log that tells something, if there is one


class ChildTimeout(ChildLost):
    """The child gave no answer in time, and was ended."""


class ChildRefusal(Exception):
    """A request raised something else than an error of this package; the child can go on."""


class Child:
    """A process that serves one service to one user at a time; use `kept.child`, which surely ends it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._scratch = tempfile.TemporaryDirectory(prefix="edgecompress-")  # its working folder
        self._log = Path(self._scratch.name) / "log"
        self._log.touch()
        self._logged_bytes = 0  # before the request at hand
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def scratch(self) -> Path:
        """The child's working folder, for what is too large for a frame; it goes when the child does."""
        return Path(self._scratch.name)

    def request(
        self,
        name: str,
        arrays: Sequence[np.ndarray] = (),
        *,
        timeout_s: float | None = TIMEOUT_S,
        on_progress: Progress = silent,
        goes_on: bool = False,
        **arguments: Any,
    ) -> Answer:
        """Have the service answer a request, and return its JSON and its arrays, whose form the caller must check.

        One that `goes_on` needs what an earlier request left in the child; no other child is started for it.

        Raises:
            EdgeCompressError: as the request raised it, of the same class.
            ChildRefusal: it raised anything else; says the first line of that.
            FrameError: the request is beyond the service's limits, and was not sent.
            ChildTimeout, ChildLost: there is no answer; the child was ended.
        """
        self._logged_bytes = self._log.stat().st_size if not goes_on else self._logged_bytes
        if self._process is None or self._process.poll() is not None:
            if goes_on:
                lost = ChildLost("was lost" if self._process is None else self._ending(), last_words=self._last_words())
                self.end()
                raise lost
            self.end()
            self._start()
        try:
            self._channel.send({"request": name, **arguments}, arrays, timeout_s=timeout_s)
            message, outputs = self._receive(timeout_s, on_progress)
        except TimeoutError as error:
            self.end()
            raise ChildTimeout(f"gave no answer within {timeout_s:g} s") from error
        except ChannelClosed as error:
            lost = ChildLost(self._ending(), last_words=self._last_words())
            self.end()
            raise lost from error
        except BaseException as error:
            if not isinstance(error, FrameError):  # interrupted: an answer to this request must not answer the next
                self.end()
            raise
        if "answer" in message:
            return message["answer"], outputs
        if "error" in message:
            raise _error(message)
        raise ChildRefusal(first_line(str(message.get("refusal"))))

    def _receive(self, timeout_s: float | None, on_progress: Progress) -> tuple[dict[str, Any], list[np.ndarray]]:
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left_s = None if end is None else end - time.monotonic()
            try:
                message, outputs = self._channel.receive(timeout_s=left_s)
                if "progress" not in message:
                    return message, outputs
                what, done, total = message["progress"]
                step = str(what)[:REASON_CHARACTERS], int(done), int(total)
            except (FrameError, ValueError, TypeError) as error:
                self.end()
                raise ChildLost("answered nonsense") from error
            on_progress(*step)

    def start(self) -> None:
        """Start the process, if it does not run, and do not wait for it."""
        if self._process is None:
            self._start()

    def _start(self) -> None:
        with self._log.open("ab") as log:
            # -P: no module is imported from the working folder. A process group of its own: Ctrl-C reaches the parent
            # alone, which then ends the child.
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "edgecompress.child.serve"),
                    *(self._service.module, json.dumps(asdict(self._service.limits)), *self._service.preload),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                cwd=self._scratch.name,
                env={**DEFAULTS, **os.environ, "TMPDIR": self._scratch.name},
                process_group=0,
            )
        assert self._process.stdin and self._process.stdout
        pipes = self._process.stdout.fileno(), self._process.stdin.fileno()
        self._channel = self._service.limits.channel(*pipes)

    def end(self) -> None:
        """End the process, whatever it is doing; a later request starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()  # reaps it, and closes the pipes
            self._process = None

    def close(self) -> None:
        """End the process and remove its folder."""
        self.end()
        self._scratch.cleanup()

    def _ending(self) -> str:
        """What became of a child that closed its pipes."""
        assert self._process is not None
        try:
            status = self._process.wait(timeout=_ENDING_S)
        except subprocess.TimeoutExpired:
            return "closed its pipes"
        return f"crashed ({signal.Signals(-status).name})" if status < 0 else f"ended (exit status {status})"

    def _last_words(self) -> str:
        """The last line of the log since the request began that is more than chatter."""
        with self._log.open("rb") as log:
            log.seek(max(self._logged_bytes, self._log.stat().st_size - LOG_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        telling = [line for line in lines if line.strip() and not line.startswith(("INFO", "WARNING"))]
        return first_line(telling[-1]) if telling else ""


def first_line(text: str) -> str:
    """Return the first line of what a child says, at a length that can be shown, without a full stop."""
    lines = text.strip().splitlines() or ["no reason given"]
    return lines[0][:REASON_CHARACTERS].rstrip(".")


def _error(message: dict[str, Any]) -> errors.EdgeCompressError:
    """Return the error that a child sends, of one of this package's classes and of no other."""
    kind = getattr(errors, str(message["error"]), None)
    if not (isinstance(kind, type) and issubclass(kind, errors.EdgeCompressError)):
        kind = errors.EdgeCompressError
    return kind(str(message.get("message", "")), hint=str(message.get("hint", "")))
