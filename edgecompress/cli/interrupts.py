"""Signals that end a command, and what to say then: what is kept, and how it goes on."""

from __future__ import annotations

import errno
import os
import shlex
import signal
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

REPEAT_S = 10.0  # within it a signal comes again because a shell passes it on, too, and must not cut the end short
SENTENCES = {
    signal.SIGINT: "Interrupted.",
    signal.SIGTERM: "Ended by SIGTERM.",
    signal.SIGHUP: "Ended by SIGHUP: the terminal or the login was closed.",
}
RESUMED = ("train", "run")
KEPT = {
    "convert": "Files that were finished are whole, but not all of them are listed: run the same command again.",
    "verify": "Nothing was written; what an earlier one found stays.",
    "profile": "Of what this one has measured nothing was written; earlier measurements stay.",
    "compare": "Nothing was written.",
    "devices": "Nothing was written.",
    "report": "Pages that were finished are whole: run the same command again for all of them.",
    "sensitivity": "Nothing was written.",
    "methods": "Nothing was written.",
    "zoo": "Nothing was written.",
    "pack": "No packed file was written.",
    "unpack": "No file was written.",
    "inspect": "Nothing was written.",
    "kernels": "Files that were finished are whole: run the same command again for all of them.",
    "doctor": "Nothing was written.",
}


def what_is_kept(arguments: Sequence[str]) -> str:
    """Return the sentence for the command line `arguments`."""
    command = next((word for word in arguments if word in (*RESUMED, *KEPT)), "")
    if command not in RESUMED:
        return KEPT.get(command, "")
    resume = () if "--resume" in arguments else ("--resume",)
    return f"Finished epochs are kept; go on with: {shlex.join(('edgecompress', *arguments, *resume))}"


class Ended(KeyboardInterrupt):
    """A signal asks this process to end; everything is let go as on Ctrl-C."""


@dataclass
class Heard:
    """The signal that ends a command; Ctrl-C's, which raises KeyboardInterrupt by itself, unless another came."""

    number: signal.Signals = signal.SIGINT
    at_s: float = 0.0

    @property
    def exit_code(self) -> int:
        """The shell's convention for a command that a signal ended."""
        return 128 + self.number

    @property
    def sentence(self) -> str:
        """What happened."""
        return SENTENCES[self.number]


@contextmanager
def heeded() -> Iterator[Heard]:
    """Have SIGTERM and SIGHUP raise `Ended` during a block; one that is ignored, as under `nohup`, stays ignored."""
    heard = Heard()
    if threading.current_thread() is not threading.main_thread():  # which alone gets signals
        yield heard
        return

    def end(number: int, _: FrameType | None) -> None:
        if time.monotonic() - heard.at_s < REPEAT_S and heard.number != signal.SIGINT:
            return
        heard.number, heard.at_s = signal.Signals(number), time.monotonic()
        _leave_lost_terminals()
        raise Ended

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    before = {number: handler for number, handler in before.items() if handler == signal.SIG_DFL}
    try:
        for number in before:
            signal.signal(number, end)
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_lost_terminals() -> None:
    """Have what is still said to a terminal that is gone go nowhere, rather than be an error on the way out."""
    for handle in (1, 2):
        try:
            termios.tcgetattr(handle)
        except termios.error as error:
            if error.args[0] == errno.EIO:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, handle)
                os.close(nowhere)
