import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edgecompress.child.channel import FrameError
from edgecompress.child.kept import child, kept, start
from edgecompress.child.process import ChildLost, ChildRefusal, ChildTimeout
from edgecompress.child.service import Limits, Service
from edgecompress.errors import ModelFileError

EXAMPLE = Service("edgecompress.child.example_test", Limits(file_bytes=2**20))


def children():
    return set(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


@pytest.fixture(autouse=True)
def no_child_is_left(own_children):
    before = children()
    yield
    assert children() <= before


def pid_of(example):
    return example.request("echo")[0]["pid"]


def test_arguments_and_arrays_arrive_and_return():
    with child(EXAMPLE) as example:
        answer, arrays = example.request("echo", [np.arange(3)], text="ü\n", number=1.5, none=None)
        assert (answer["text"], answer["number"], answer["none"]) == ("ü\n", 1.5, None)
        assert arrays[0].tolist() == [0, 1, 2]


def test_errors_of_this_package_arrive_as_they_are():
    with child(EXAMPLE) as example:
        with pytest.raises(ModelFileError, match="damaged") as caught:
            example.request("refuse", error="ours")
        assert caught.value.hint == "Copy it again."
        with pytest.raises(ChildRefusal, match=r"^one line$"):
            example.request("refuse", error="one line.\nanother")
        with pytest.raises(ChildRefusal, match=r"memory|allocate"):
            example.request("refuse", error="memory")
        with pytest.raises(ChildRefusal, match="nothing_of_the_kind"):
            example.request("nothing_of_the_kind")
        assert example.request("echo")


def test_progress_comes_back_on_the_way():
    seen = []
    with child(EXAMPLE) as example:
        assert example.request("steps", count=3, on_progress=lambda *step: seen.append(step)) == (3, [])
    assert seen == [("step", 0, 3), ("step", 1, 3), ("step", 2, 3)]


def test_progress_does_not_lengthen_the_time_limit():
    with child(EXAMPLE) as example:
        example.request("echo")
        with pytest.raises(ChildTimeout):
            example.request("steps", count=10**9, timeout_s=0.5)


@pytest.mark.parametrize(
    ("how", "what"),
    [("SIGSEGV", "crashed (SIGSEGV)"), ("SIGKILL", "crashed (SIGKILL)"), ("exit", "ended (exit status 9)")],
)
def test_a_crash_tells_what_was_said_last_and_the_next_request_is_served(how, what):
    with child(EXAMPLE) as example:
        first = pid_of(example)
        with pytest.raises(ChildLost) as caught:
            example.request("die", how=how)
        assert (caught.value.what, caught.value.last_words) == (what, "the last thing")
        assert pid_of(example) != first


def test_a_hang_is_ended_and_the_next_request_is_served():
    with child(EXAMPLE) as example:
        first = pid_of(example)
        with pytest.raises(ChildTimeout, match=r"within 0\.2 s"):
            example.request("hang", timeout_s=0.2)
        assert pid_of(example) != first


def test_nonsense_is_an_end():
    with child(EXAMPLE) as example:
        with pytest.raises(ChildLost, match="nonsense"):
            example.request("babble")
        assert example.request("echo")


def test_what_was_killed_between_requests_is_started_anew():
    with child(EXAMPLE) as example:
        first = pid_of(example)
        os.kill(first, signal.SIGKILL)
        while example._process.poll() is None:  # it is a zombie before the last of its threads has ended
            time.sleep(0.01)
        assert pid_of(example) != first


def test_limits_hold():
    with child(EXAMPLE) as example:
        found, _ = example.request("limits")
        physical_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        assert found["RLIMIT_AS"] == max(physical_bytes // 2, 2 << 30)
        assert (found["RLIMIT_FSIZE"], found["RLIMIT_NOFILE"], found["RLIMIT_CORE"]) == (2**20, 256, 0)
        with pytest.raises(ChildRefusal, match="too large"):
            example.request("write", size_bytes=2**20 + 1)
        assert example.request("write", size_bytes=2**20)[0] == str(example.scratch)
        assert (example.scratch / "large").stat().st_size == 2**20
    assert not example.scratch.exists()


def test_frames_are_as_large_as_the_service_says():
    with child(Service(EXAMPLE.module, Limits(array_bytes=1000))) as example:
        with pytest.raises(ChildRefusal, match="above the limit of 1000"):
            example.request("large", size_bytes=1001)
        with pytest.raises(FrameError, match="above the limit"):
            example.request("echo", [np.zeros(1001, np.uint8)])
        assert example.request("large", size_bytes=1000)[1][0].size == 1000
    with child(Service(EXAMPLE.module, Limits(array_bytes=2**29))) as example:
        assert example.request("large", size_bytes=300 << 20)[1][0].nbytes == 300 << 20


def test_children_are_kept_for_the_next_user_until_the_block_ends():
    with kept():
        with child(EXAMPLE) as first, child(EXAMPLE) as second:
            pids = {pid_of(first), pid_of(second)}
            assert len(pids) == 2, "one child serves one user at a time"
        with child(EXAMPLE) as again:
            assert pid_of(again) in pids
        with kept(), child(EXAMPLE) as inner:
            assert pid_of(inner) in pids
        with child(Service(EXAMPLE.module)) as other:
            assert pid_of(other) not in pids, "another service, or the same under other limits"
        assert {str(pid) for pid in pids} <= children()
    assert not {str(pid) for pid in pids} & children()
    with child(EXAMPLE) as new:
        assert pid_of(new) not in pids


def test_a_child_of_another_thread_is_not_kept():
    """The kernel ends it with its thread, in the middle of what the next user asks for."""

    def use():
        with child(EXAMPLE) as example:
            pids.append(pid_of(example))

    pids: list[int] = []
    with kept():
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
        assert not is_running(pids[0])
        use()
        use()
        assert pids[1] == pids[2] != pids[0] and is_running(pids[1])


def test_an_interrupted_request_does_not_answer_the_next():
    def interrupt(*_):
        raise KeyboardInterrupt

    with kept():
        with pytest.raises(KeyboardInterrupt), child(EXAMPLE) as example:
            first = pid_of(example)
            example.request("steps", count=1, on_progress=interrupt)
        with child(EXAMPLE) as example:
            assert example.request("echo", text="mine")[0]["text"] == "mine"
            assert pid_of(example) != first


PARENT = """
import sys, time
from edgecompress.child.kept import child, kept
from edgecompress.child.service import Service
with kept(), child(Service("edgecompress.child.example_test")) as example:
    print(example.request("echo")[0]["pid"], example.scratch, flush=True)
    if sys.argv[1] == "busy":
        example.request("hang")
    time.sleep(600)
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=lambda end: end.name)
@pytest.mark.parametrize("occupation", ["busy", "idle"])
def test_a_kept_child_does_not_outlive_its_parent(occupation, end):
    command = [sys.executable, "-c", PARENT, occupation]
    heed = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731 - in the background it is ignored
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=heed) as parent:
        pid, scratch = parent.stdout.readline().split()
        assert os.getpgid(int(pid)) == int(pid) != os.getpgid(parent.pid), "Ctrl-C would reach it"
        parent.send_signal(end)
        parent.wait()
    while is_running(int(pid)):
        time.sleep(0.05)
    assert end is signal.SIGKILL or not Path(scratch.decode()).exists()
    shutil.rmtree(scratch.decode(), ignore_errors=True)  # of a parent that was killed


def is_running(pid):
    """Return whether the process is there, and more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def test_a_child_can_be_started_ahead(tmp_path) -> None:
    with kept():
        start(EXAMPLE)
        with child(EXAMPLE) as first:
            answer, _ = first.request("echo")
        with child(EXAMPLE) as second:
            assert second.request("echo")[0]["pid"] == answer["pid"]
