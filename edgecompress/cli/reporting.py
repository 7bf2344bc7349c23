"""What commands tell while they work, on standard error: bars for a person who looks, lines for all others."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edgecompress.cli.verbosity import NORMAL, QUIET, VERBOSE, verbosity
from edgecompress.progress import duration

BAR_AFTER_S = 2.0  # a bar appears for what takes longer than this
LINE_EVERY_S = 30.0  # without a terminal, work that is silent for longer than this says how far it is


class Reporter:
    """A `Progress` that is called, and a `Tell` as its method `tell`; what it cannot write, it keeps to itself."""

    def __init__(self, write: Callable[[str], None], *, level: int = NORMAL, every_s: float = LINE_EVERY_S) -> None:
        self._write, self._level, self._every_s = write, level, every_s
        self._begun_s: dict[str, float] = {}
        self._said_s = time.monotonic()

    def tell(self, sentence: str) -> None:
        """Write a sentence as a line, unless all is to be quiet."""
        if self._level == QUIET:
            return
        self._said_s = time.monotonic()
        line = "".join(each if each.isprintable() else "?" for each in sentence)
        try:
            self._write(line)
        except OSError:  # whoever read the lines has gone: no reason to end hours of work
            self._level = QUIET

    def __call__(self, what: str, done: int, total: int) -> None:
        """Note how far a work is; tell its beginning and end if all is to be told, and else that it goes on."""
        now_s = time.monotonic()
        if what not in self._begun_s and self._level == VERBOSE:
            self.tell(f"{what} ...")
        elapsed_s = now_s - self._begun_s.setdefault(what, now_s)
        if done >= total:
            del self._begun_s[what]
            if self._level == VERBOSE:
                self.tell(f"{what}: done, {duration(elapsed_s)}")
        elif now_s - self._said_s >= self._every_s:
            left = f", about {duration(elapsed_s / done * (total - done))} remaining" if done else ""
            self.tell(f"{what}: {done} of {total}, {duration(elapsed_s)} elapsed{left}")


@contextmanager
def progress_bars() -> Iterator[Reporter]:
    """Yield the `Reporter` of the command that runs: with bars where standard error is a terminal."""
    level = verbosity()
    if level == QUIET or not sys.stderr.isatty():
        yield Reporter(_write_line, level=level)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    with Bars(*columns, console=console, transient=True) as bars:
        yield _Bars(bars, level=level)


class _Bars(Reporter):
    """Bars for work that takes longer than two seconds; lines appear above them."""

    def __init__(self, bars: Any, *, level: int) -> None:
        super().__init__(bars.console.print, level=level, every_s=float("inf"))
        self._bars = bars
        self._started_s: dict[str, float] = {}
        self._tasks: dict[str, Any] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        super().__call__(what, done, total)
        begin_s = self._started_s.setdefault(what, time.monotonic())
        if what not in self._tasks and time.monotonic() - begin_s > BAR_AFTER_S:
            from rich.markup import escape

            self._tasks[what] = self._bars.add_task(escape(what), total=total)
        if what in self._tasks:
            self._bars.update(self._tasks[what], completed=done, total=total)
            if done >= total:
                self._bars.remove_task(self._tasks.pop(what))
                self._started_s.pop(what)


def _write_line(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
