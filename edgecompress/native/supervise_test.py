"""The process between the host and the one that holds the model, in both runners."""

import os
import platform
import signal
import time
from pathlib import Path

import pytest

from edgecompress.native.build import MACHINES
from edgecompress.native.runner_test import ends_with
from edgecompress.testing.runners import CRASHED, RUNNERS, TOO_LATE, Running, running, wait_until
from edgecompress.testing.sample_files import FACE, endless, fixed_classifier, int8_relu, logarithm

pytestmark = pytest.mark.skipif(platform.machine() not in MACHINES, reason=f"no runner for {platform.machine()}")


@pytest.fixture(params=RUNNERS)
def runner(request):
    return request.param


@pytest.fixture(params=["litert", "onnx"])
def model(request, tmp_path):
    return FACE if request.param == "litert" else fixed_classifier(tmp_path)


@pytest.fixture(params=[int8_relu, logarithm])
def small(request, tmp_path):
    """One that takes microseconds."""
    return request.param(tmp_path)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ")[1][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("before", [0.0, 0.3])
def test_both_processes_end_when_the_input_closes(before, model, runner):
    """Between requests, where the worker is stopped, and in the middle of a long one."""
    started = Running(runner, model)
    started.answer()
    worker = started.worker_pid
    if before:
        started.send("time 1 60")
        time.sleep(before)  # so that it is under way
    started.close_input()
    assert started.status() == 0
    wait_until(lambda: not is_alive(worker))
    started.finish()


def test_a_runner_that_is_still_loading_ends_when_the_input_closes(runner, tmp_path):
    started = Running(runner, endless(tmp_path))  # its first inference never ends
    time.sleep(0.3)
    worker = started.worker_pid
    started.close_input()
    assert started.status() == 0
    wait_until(lambda: not is_alive(worker))
    started.finish()


@pytest.mark.parametrize("request_line", ["", "time 1 60"])
def test_the_workers_death_follows_the_supervisors(request_line, model):
    with running("native", model) as started:
        started.answer()
        worker = started.worker_pid
        if request_line:
            started.send(request_line)
        os.kill(started.client_pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(worker))


def test_a_killed_worker_is_told(small, runner):
    with running(runner, small) as started:
        started.answer()
        os.kill(started.worker_pid, signal.SIGKILL)
        assert ends_with(started, "crash", CRASHED) == signal.strsignal(signal.SIGKILL)


def test_the_time_limit_ends_it(small, runner):
    with running(runner, small, "--limit", 1) as started:
        started.answer()
        started.send("time 1 60")
        assert ends_with(started, "late", TOO_LATE) == 1


def test_the_time_limit_holds_between_requests_and_while_loading(small, runner, tmp_path):
    with running(runner, small, "--limit", 1) as idle, running(runner, endless(tmp_path), "--limit", 1) as loading:
        idle.answer()
        workers = idle.worker_pid, loading.worker_pid
        assert ends_with(idle, "late", TOO_LATE) == ends_with(loading, "late", TOO_LATE) == 1
        assert not any(map(is_alive, workers))


def test_between_requests_the_worker_is_stopped(small, runner):
    with running(runner, small, "--threads", 2) as started:
        started.answer()
        for request_line in ("time 3 0", "report", "operators 2"):
            wait_until(lambda: state(started.worker_pid) == "T")
            assert started.ask(request_line)
        wait_until(lambda: state(started.worker_pid) == "T")
        started.send("time 1 60")
        wait_until(lambda: state(started.worker_pid) == "R")


def state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rsplit(") ")[1][0]


def test_requests_that_come_together_are_answered_in_order(small, runner):
    with running(runner, small) as started:
        started.answer()
        for runs in (1, 2, 3):
            started.send(f"time {runs} 0")
        assert [len(started.answer()["samples_ns"]) for _ in range(3)] == [1, 2, 3]


def test_a_line_longer_than_any_buffer_arrives_whole(small, runner):
    """200,000 samples are some megabytes; the pipes hold 64 KiB."""
    with running(runner, small) as started:
        started.answer()
        assert len(started.ask("time 200000 0")["samples_ns"]) == 200_000
        assert started.ask("report")["peak_memory_bytes"] > 0
