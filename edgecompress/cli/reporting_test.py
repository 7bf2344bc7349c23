"""What commands tell while they work: as much as was asked for, and never at the cost of the work."""

from __future__ import annotations

import pytest

from edgecompress.cli.reporting import Reporter, progress_bars
from edgecompress.cli.verbosity import NORMAL, QUIET, VERBOSE
from edgecompress.progress import duration


def told(level: int, every_s: float) -> list[str]:
    lines: list[str] = []
    reporter = Reporter(lines.append, level=level, every_s=every_s)
    reporter.tell("epoch 1 of 2")
    for done in range(3):
        reporter("reading", done, 2)
    return lines


def test_sentences_are_told_and_short_work_is_not() -> None:
    assert told(NORMAL, 3600) == ["epoch 1 of 2"]


def test_long_work_says_that_it_goes_on() -> None:
    assert told(NORMAL, 0) == [
        "epoch 1 of 2",
        "reading: 0 of 2, 0 s elapsed",
        "reading: 1 of 2, 0 s elapsed, about 0 s remaining",
    ]


def test_verbose_tells_each_step_and_quiet_nothing() -> None:
    assert told(VERBOSE, 3600) == ["epoch 1 of 2", "reading ...", "reading: done, 0 s"]
    assert told(QUIET, 0) == []


def test_what_is_told_cannot_move_the_cursor() -> None:
    lines: list[str] = []
    Reporter(lines.append).tell("a\x1b[2J\nb")
    assert lines == ["a?[2J?b"]


def test_a_reader_that_has_gone_ends_no_work() -> None:
    calls = []

    def write(line: str) -> None:
        calls.append(line)
        raise BrokenPipeError

    reporter = Reporter(write)
    reporter.tell("one")
    reporter.tell("two")
    assert calls == ["one"]


def test_without_a_terminal_lines_go_to_standard_error(capsys) -> None:
    with progress_bars() as progress:
        progress("reading", 1, 2)
        progress.tell("dense: epoch 1/8")
    captured = capsys.readouterr()
    assert captured.err == "dense: epoch 1/8\n" and not captured.out


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_durations_are_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words
