"""Timelines as a trace that Perfetto and Chrome open: a process a device, a thread a lane, a counter a gauge.

The format is the JSON trace event format: complete events (`X`), counter events (`C`) and metadata (`M`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from edgecompress.storage import write_text
from edgecompress.values import Span, Timeline

LANES = ("processes", "warm-up", "samples", "operators")  # from top to bottom
NAME_CHARACTERS = 200
EXACT = 2**53  # whole numbers up to here survive a reader that keeps every number as a double
NS_PER_US = 1000


def write_trace(path: Path, timelines: Sequence[Timeline]) -> None:
    """Write the timelines to a trace file, whole or not at all.

    Raises:
        RunFolderError: the folder cannot be written, or the disk is full.
    """
    # Perfetto shows an escaped character as its escape, so every letter is written as itself.
    write_text(path, json.dumps(chrome_trace(timelines), allow_nan=False, ensure_ascii=False) + "\n")


def chrome_trace(timelines: Sequence[Timeline]) -> dict[str, Any]:
    """Return the timelines as a JSON document; times are in microseconds, with nanoseconds behind the point.

    Spans of a lane that overlap without one holding the other cannot share a thread, since readers draw a thread as
    nested calls: the later one goes to a further thread of the same name.
    """
    numbers = count(1)  # processes and threads share the numbers, so that no thread is taken for a main thread
    return {
        "displayTimeUnit": "ns",
        "traceEvents": [event for timeline in timelines for event in _device(timeline, numbers)],
    }


def _device(timeline: Timeline, numbers: Iterator[int]) -> Iterator[dict[str, Any]]:
    """Yield the events of one device."""
    process = next(numbers)
    yield from _named("process", timeline.device, order=process, pid=process)
    for lane in sorted(dict.fromkeys(span.lane for span in timeline.spans), key=_lane_order):
        for spans in _nested([span for span in timeline.spans if span.lane == lane]):
            thread = next(numbers)
            yield from _named("thread", lane, order=thread, pid=process, tid=thread)
            for span in spans:
                times = {"ts": span.start_ns / NS_PER_US, "dur": span.duration_ns / NS_PER_US}
                details = {_text(name): _detail(value) for name, value in span.details.items()}
                yield {"ph": "X", "name": _text(span.name), "pid": process, "tid": thread, **times, "args": details}
    for gauge in timeline.gauges:
        if abs(gauge.value) < float("inf"):  # a device may say "nan", which JSON cannot
            value = {"value": gauge.value}
            yield {"ph": "C", "name": _text(gauge.name), "pid": process, "ts": gauge.at_ns / NS_PER_US, "args": value}


def _named(kind: str, name: str, *, order: int, **place: int) -> Iterator[dict[str, Any]]:
    """Yield the metadata that names and places a process or a thread."""
    yield {"ph": "M", "name": f"{kind}_name", **place, "args": {"name": _text(name)}}
    yield {"ph": "M", "name": f"{kind}_sort_index", **place, "args": {"sort_index": order}}


def _lane_order(lane: str) -> int:
    """Return the place of a lane among the kinds of lanes; unknown ones come last."""
    return next((place for place, kind in enumerate(LANES) if lane.startswith(kind)), len(LANES))


def _nested(spans: Sequence[Span]) -> list[list[Span]]:
    """Return the spans in as few threads as nest properly, each thread in order of time, outer spans first."""
    threads: list[list[Span]] = []
    open_ends: list[list[int]] = []  # for each thread the ends of the spans that are still open, outer ones first
    for span in sorted(spans, key=lambda span: (span.start_ns, -span.duration_ns)):
        end_ns = span.start_ns + span.duration_ns
        for thread, ends in zip(threads, open_ends, strict=True):
            while ends and ends[-1] <= span.start_ns:
                ends.pop()
            if not ends or end_ns <= ends[-1]:
                thread.append(span)
                ends.append(end_ns)
                break
        else:
            threads.append([span])
            open_ends.append([end_ns])
    return threads


def _detail(value: Any) -> Any:
    """Return a value as JSON can hold it exactly, else as text."""
    if value is None or isinstance(value, bool) or (isinstance(value, int | float) and abs(value) <= EXACT):
        return value
    return _text(str(value))


def _text(text: str) -> str:
    """Return a name of bounded length with "?" for half surrogates and for what Perfetto misreads.

    It shows control characters as their escapes, and cannot open a file with a string that ends in a backslash.
    """
    return re.sub(r"[\x00-\x1f\\]", "?", text[:NAME_CHARACTERS]).encode(errors="replace").decode()
