"""Each form of `timeout`, as the systems had it that know no other."""

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from edgecompress.devices.wire.limits import FORMS, limited, was_ended
from edgecompress.errors import DeviceError
from edgecompress.testing.devices import FolderTransport

# Busybox before 1.30 knows `-t` only; 1.30 neither `-t` nor `-k`.
ONLY = {
    FORMS[0]: 'exec timeout "$@"',
    FORMS[1]: 'case $1 in -*) exit 1 ;; esac; exec timeout "$@"',
    FORMS[2]: '[ "$1" = -t ] || exit 1; shift; exec timeout "$@"',
    FORMS[3]: "exit 1",
}


@pytest.fixture(params=FORMS, ids=["-k", "plain", "-t", "none"])
def device(request, tmp_path, monkeypatch):
    """A device whose `timeout` has one form."""
    monkeypatch.setenv("REAL_PATH", "/usr/bin:/bin")
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "timeout"
    tool.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{ONLY[request.param]}\n")
    tool.chmod(0o755)
    with FolderTransport(tmp_path / "home", path=f"{tmp_path}/bin:/usr/bin:/bin") as device:
        assert device.greeting.limit == request.param
        yield device


def test_a_command_has_its_status_and_its_input(device):
    assert device.shell("exit 7").status == 7
    talk = device.converse(["cat"], timeout_s=30)
    talk.send("there and back")
    assert talk.receive(timeout_s=10) == "there and back"
    talk.close_input()
    assert talk.receive(timeout_s=10) is None and talk.status == 0
    talk.finish()


def test_a_command_that_takes_too_long_is_ended(device, tmp_path):
    with pytest.raises(DeviceError, match=r"^ssh:board did not finish `sh` within 1 s\.$"):
        device.shell(f"echo $$ > {tmp_path}/pid; exec sleep 60", timeout_s=1)
    assert subprocess.run(["kill", "-0", (tmp_path / "pid").read_text().strip()], capture_output=True).returncode
    assert device.shell("echo goes on").stdout == "goes on\n"


def test_a_conversation_that_takes_too_long_is_ended(device):
    talk = device.converse(["sh", "-c", "exec sleep 60"], timeout_s=1)
    with pytest.raises(DeviceError, match="its time was up"):
        talk.receive(timeout_s=20)
    talk.finish()


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh", "mksh"])
def test_the_watcher_leaves_nothing_behind(shell, tmp_path):
    words = shell.split()
    if shutil.which(words[0]) is None:
        pytest.skip(f"no {words[0]}")
    marked = {**os.environ, "WATCHED": str(tmp_path)}  # which all that it starts inherits
    script = limited(["sh", "-c", "cat; echo done; exit 5"], 7531, "").replace("exec sh", f"exec {shell}", 1)
    for _ in range(20):  # whenever the command ends, as seen by the watcher
        done = subprocess.run([*words, "-c", script], input=b"in\n", capture_output=True, timeout=30, env=marked)
        assert (done.returncode, done.stdout, done.stderr) == (5, b"in\ndone\n", b"")
    deadline = time.monotonic() + 60
    while _running(tmp_path):  # the last second is slept to its end
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _running(mark):
    """Processes that were started with this mark in their environment."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            found += [environment] if f"WATCHED={mark}\0".encode() in environment.read_bytes() else []
    return found


def test_without_sleep_a_command_goes_on(tmp_path):
    """Rather than being ended at once."""
    tmp_path.joinpath("sh").symlink_to(shutil.which("sh"))
    script = limited(["sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; exit 5"], 30, "")
    done = subprocess.run(["sh", "-c", script], capture_output=True, env={"PATH": str(tmp_path)})
    assert done.returncode == 5


@pytest.mark.parametrize(
    ("status", "took_s", "ended"),
    [(124, 3.1, True), (137, 3.1, True), (137, 0.2, False), (124, 0.2, False), (1, 9, False)],
)
def test_a_status_says_that_time_was_up_only_if_it_was(status, took_s, ended):
    assert was_ended(status, took_s, 3.0) is ended
