import contextlib
import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgecompress.devices.wire.client import execute, last_line
from edgecompress.errors import DeviceError


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ")[1][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_client_that_is_missing():
    with pytest.raises(DeviceError, match=r"^Cannot start `no-such-client`: No such file or directory") as raised:
        execute(["no-such-client", "-x"], timeout_s=5, what="x")
    assert "installed" in raised.value.hint


def test_a_client_has_no_terminal_to_ask_at():
    """Even if we have one, as a program in `script` has."""
    ask = (
        "from edgecompress.devices.wire.client import execute\n"
        "print(execute(['sh', '-c', ': </dev/tty'], timeout_s=30, what='x'))"
    )
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", ask])
    said = b""
    with contextlib.suppress(OSError):  # which is how a terminal ends
        while data := os.read(terminal, 4096):
            said += data
    os.close(terminal)
    os.waitpid(child, 0)
    assert b"No such device or address" in said and b"status=0" not in said


def test_a_client_that_gives_no_answer_is_killed_with_its_children(tmp_path):
    script = f"trap '' TERM; sleep 60 & echo $! $$ > {shlex.quote(str(tmp_path / 'pids'))}; wait"
    with pytest.raises(DeviceError, match=r"^the board gave no answer within 0\.5 s\."):
        execute(["sh", "-c", script], timeout_s=0.5, what="the board")
    for pid in (tmp_path / "pids").read_text().split():
        wait_until(lambda pid=pid: not is_alive(pid))


def test_ctrl_c_ends_a_command_on_the_host(tmp_path):
    """We get the signal alone, and then end the client ourselves."""
    script = (
        "from edgecompress.devices.wire.client import execute\n"
        f"execute(['sh', '-c', 'echo $$ > {tmp_path}/pid; exec sleep 60'], timeout_s=60, what='x')\n"
    )
    heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731 - in the background of a shell it is ignored
    command = [sys.executable, "-c", script]
    parent = subprocess.Popen(command, stderr=subprocess.PIPE, process_group=0, preexec_fn=heed)
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    client = int((tmp_path / "pid").read_text())
    os.killpg(parent.pid, signal.SIGINT)
    assert b"KeyboardInterrupt" in parent.communicate(timeout=20)[1]
    wait_until(lambda: not is_alive(client))


def test_ctrl_c_while_a_client_starts_leaves_none_behind(tmp_path):
    """The client itself interrupts us at once: before, while, or after the call that starts it returns."""
    rounds = 20
    script = (
        "from edgecompress.devices.wire.client import execute\n"
        f"for i in range({rounds}):\n"
        "    try:\n"
        f"        execute(['sh', '-c', f'echo $$ > {tmp_path}/{{i}}; kill -INT $PPID; exec sleep 600'],"
        " timeout_s=60, what='x')\n"
        "    except KeyboardInterrupt:\n"
        "        print('interrupted')\n"
    )
    heed = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, preexec_fn=heed, timeout=120)
    assert done.stdout == "interrupted\n" * rounds, done.stderr
    for i in range(rounds):
        wait_until(lambda i=i: not is_alive(int((tmp_path / str(i)).read_text())))


@pytest.mark.parametrize(
    ("text", "line"),
    [("", "no reason given"), (" \n\n", "no reason given"), ("a\nb.\n \n", "b"), ("x" * 1000, "x" * 300)],
)
def test_the_last_line(text, line):
    assert last_line(text) == line
