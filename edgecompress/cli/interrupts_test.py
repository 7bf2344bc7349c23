"""However a command is told to end: it says so, ends with the signal's code, and leaves nothing behind."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from edgecompress.testing.sample_files import partly_delegated

PATIENCE_S = 60
WORDS = {signal.SIGINT: "Interrupted.", signal.SIGTERM: "Ended by SIGTERM.", signal.SIGHUP: "Ended by SIGHUP"}
# The command line with a command that runs code of the test's.
COMMAND = """
import sys, time
sys.argv = ["edgecompress", "zoo"]
from edgecompress.cli import main, zoo
from edgecompress.cli.output import print_line
def work(*_):
    {work}
zoo.print_table = work
main.main()
"""
# The command line itself, in which this machine is locked by another folder: others may measure on it for long.
PROGRAM = """
import sys
from edgecompress.cli.main import main
from edgecompress.devices.ways.local import LocalTransport
LocalTransport.lock_folders = (sys.argv.pop(1),)
main()
"""
WAITS = "print_line('waits'); sys.stdout.flush(); time.sleep(600)"


def heeding(*ignored: int) -> Callable[[], None]:
    """What a child does first: a shell that starts the tests in the background lets them ignore Ctrl-C."""

    def prepare() -> None:
        for number in WORDS:
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    return prepare


@contextmanager
def started(command: list[str], folder: Path, *ignored: int) -> Iterator[subprocess.Popen[str]]:
    """A command whose temporary files lie in a folder."""
    environment = os.environ | {"TMPDIR": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, env=environment, preexec_fn=heeding(*ignored)) as child:
        try:
            yield child
        finally:
            child.kill()


def programs(child: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(child.pid).children(recursive=True)


def words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has ended
        return []


def until_it_measures(child: subprocess.Popen[str]) -> list[psutil.Process]:
    """Wait for a runner, native or not, and return all that the command has started."""
    end = time.monotonic() + PATIENCE_S
    while not any("--limit" in words(each) for each in programs(child)):
        assert child.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    return programs(child)


@pytest.mark.parametrize("number", WORDS, ids=lambda number: number.name)
def test_a_measurement_that_is_ended_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    model = partly_delegated(tmp_path)
    (tmp_path / "scratch").mkdir()
    arguments = ["profile", str(model), "--on", "local", "--processes", "50"]
    with started([sys.executable, "-c", PROGRAM, str(tmp_path), *arguments], tmp_path / "scratch") as child:
        running = until_it_measures(child)
        child.send_signal(number)
        _, said = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 128 + number, said
    assert WORDS[number] in said and "earlier measurements stay" in said and "Traceback" not in said
    assert not psutil.wait_procs(running, timeout=PATIENCE_S)[1]
    assert not list((tmp_path / "scratch").iterdir())


def test_an_ignored_hangup_stays_ignored(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COMMAND.format(work=WAITS)]
    with started(command, tmp_path, signal.SIGHUP) as child:
        assert child.stdout and child.stdout.readline() == "waits\n"
        child.send_signal(signal.SIGHUP)
        child.send_signal(signal.SIGTERM)
        _, said = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 128 + signal.SIGTERM and WORDS[signal.SIGTERM] in said


def test_a_second_signal_does_not_cut_the_end_short(tmp_path: Path) -> None:
    work = f"try: {WAITS}\n    finally: print_line('ends'); sys.stdout.flush(); time.sleep(1); print_line('is whole')"
    with started([sys.executable, "-c", COMMAND.format(work=work)], tmp_path) as child:
        assert child.stdout and child.stdout.readline() == "waits\n"
        child.send_signal(signal.SIGHUP)
        assert child.stdout.readline() == "ends\n"
        child.send_signal(signal.SIGHUP)
        assert child.communicate(timeout=PATIENCE_S)[0] == "is whole\n"
    assert child.returncode == 128 + signal.SIGHUP


def test_a_terminal_that_is_closed(tmp_path: Path) -> None:
    """Nothing can be said any more, and the command still ends as it should."""
    work = f"try: {WAITS}\n    finally: print_line('lost'); open({str(tmp_path / 'whole')!r}, 'w').close()"
    pid, master = pty.fork()
    if not pid:
        heeding()()
        os.execv(sys.executable, [sys.executable, "-c", COMMAND.format(work=work)])
    said = b""
    while b"waits" not in said:
        said += os.read(master, 100)
    os.close(master)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 128 + signal.SIGHUP
    assert (tmp_path / "whole").exists()


def test_with_json_it_is_one_document(tmp_path: Path) -> None:
    work = f"sys.argv.append('--json'); {WAITS}"
    with started([sys.executable, "-c", COMMAND.format(work=work)], tmp_path) as child:
        assert child.stdout and child.stdout.readline() == "waits\n"
        child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=PATIENCE_S)
    assert '"exit_code": 143' in out and '"kind": "Interrupted"' in out
