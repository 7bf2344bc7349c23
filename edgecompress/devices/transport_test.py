import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.devices import transport as module
from edgecompress.devices.local import LocalTransport
from edgecompress.devices.transport import Conversation, execute, last_line, limited
from edgecompress.errors import DeviceError

LOCAL = LocalTransport()


@pytest.fixture(autouse=True)
def no_child_is_left():
    before = children()
    yield
    assert children() <= before


def children():
    return set(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


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


def test_status_and_both_streams():
    finished = LOCAL.run(["sh", "-c", "echo out; echo err >&2; exit 7"], timeout_s=10)
    assert (finished.status, finished.stdout, finished.stderr) == (7, "out\n", "err\n")
    assert LOCAL.run(["true"], timeout_s=10).status == 0
    assert LOCAL.run(["no such program"], timeout_s=10).status == 127


def test_a_shell_script_gets_its_arguments():
    finished = LOCAL.shell('printf "%s|" "$@"', "one two", "$HOME", "-n", "")
    assert finished.stdout == "one two|$HOME|-n||"


def test_its_input_is_empty():
    assert LOCAL.run(["cat"], timeout_s=10).stdout == ""


AWKWARD = st.sampled_from(
    [" ", "'", '"', "$(exit 1)", "`exit 1`", "\n", "\\", "$HOME", "*", ";", "&", "|", "-n", "#", "~"]
)
WORDS = st.lists(AWKWARD, max_size=6).map("".join) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20
)


@settings(deadline=None, max_examples=60)
@given(st.lists(WORDS, max_size=5))
def test_words_arrive_as_they_are(words):
    finished = LOCAL.run(["printf", "%s\\037", "first", *words], timeout_s=10)
    assert finished.stdout.split("\x1f")[:-1] == "\x1f".join(["first", *words]).split("\x1f")


@given(st.lists(WORDS, min_size=1, max_size=5), st.floats(0, 1e6))
def test_a_limited_command_is_one_line_of_quoted_words(words, timeout_s):
    """So that whichever shell a device has, it sees these words, the last ones as given."""
    split = shlex.split(limited(words, timeout_s))
    assert split[-len(words) :] == words
    assert int(split[-len(words) - 1]) >= 1  # `timeout 0` would be no limit at all


@pytest.mark.parametrize("timeout_s", [0.2, 1])
def test_the_time_limit_ends_the_command_on_the_device(timeout_s, tmp_path):
    script = 'echo $$ > "$1"; exec sleep 60'
    with pytest.raises(DeviceError, match=rf"^local did not finish `sh` within {timeout_s} s\."):
        LOCAL.run(["sh", "-c", script, "sh", str(tmp_path / "pid")], timeout_s=timeout_s)
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_what_is_no_text_is_shown_as_such():
    assert LOCAL.run(["printf", "\\377a"], timeout_s=10).stdout == "\ufffda"


@pytest.mark.parametrize("stream", ["1", "2"])
def test_what_is_too_long_is_refused(stream, monkeypatch):
    monkeypatch.setattr(module, "MAX_OUTPUT_BYTES", 100_000)
    with pytest.raises(DeviceError, match="answered with more than 100000 bytes"):
        LOCAL.run(["sh", "-c", f"yes >&{stream}"], timeout_s=30)


def test_a_client_that_is_missing():
    with pytest.raises(DeviceError, match=r"^Cannot start `no-such-client`: No such file or directory") as raised:
        execute(["no-such-client", "-x"], timeout_s=5, what="x")
    assert "installed" in raised.value.hint


def test_a_client_that_gives_no_answer_is_killed_with_its_children(tmp_path):
    script = f"trap '' TERM; sleep 60 & echo $! $$ > {shlex.quote(str(tmp_path / 'pids'))}; wait"
    with pytest.raises(DeviceError, match=r"^the board gave no answer within 0\.5 s\."):
        execute(["sh", "-c", script], timeout_s=0.5, what="the board")
    for pid in (tmp_path / "pids").read_text().split():
        wait_until(lambda pid=pid: not is_alive(pid))


def test_lines_there_and_back():
    talk = LOCAL.converse(["cat"], timeout_s=30)
    for line in ("one", "", "two words", "ümlaut \u2603", "x" * 100_000):
        talk.send(line)
        assert talk.receive(timeout_s=10) == line
    talk.send("first\nsecond")
    assert [talk.receive(timeout_s=10), talk.receive(timeout_s=10)] == ["first", "second"]
    talk.finish()
    assert not is_alive(talk.client_pid)


def test_a_line_may_come_in_pieces():
    talk = LOCAL.converse(["sh", "-c", "printf a; sleep 0.05; printf b; sleep 0.05; printf 'c\\nd\\ne'"], timeout_s=30)
    assert [talk.receive(timeout_s=10) for _ in range(3)] == ["abc", "d", None]  # what has no end is no line
    talk.finish()


def test_the_end_of_standard_error_is_kept_and_the_rest_does_not_block():
    talk = LOCAL.converse(["sh", "-c", "yes error | head -c 300000 >&2; echo; echo last >&2; echo done"], timeout_s=30)
    assert talk.receive(timeout_s=10) == ""
    assert talk.receive(timeout_s=10) == "done" and talk.receive(timeout_s=10) is None
    assert talk.stderr_end().endswith("last\n") and len(talk.stderr_end()) == 4096
    talk.finish()


def test_an_answer_that_does_not_come():
    talk = LOCAL.converse(["cat"], timeout_s=30)
    with pytest.raises(DeviceError, match=r"^local gave no answer within 0\.2 s\.$"):
        talk.receive(timeout_s=0.2)
    talk.send("late")
    assert talk.receive(timeout_s=10) == "late"  # it can go on
    talk.finish()


def test_an_answer_that_does_not_end(monkeypatch):
    monkeypatch.setattr(module, "MAX_OUTPUT_BYTES", 1 << 20)
    talk = LOCAL.converse(["sh", "-c", "yes | head -c 3000000 | tr -d '\\n'"], timeout_s=30)
    with pytest.raises(DeviceError, match=r"^local answered with more than 1048576 bytes\.$"):
        talk.receive(timeout_s=30)
    talk.finish(timeout_s=0.1)


def test_a_conversation_whose_time_is_up():
    talk = LOCAL.converse(["sleep", "30"], timeout_s=1)
    with pytest.raises(DeviceError, match=r"^local ended the command: its time was up\.$"):
        talk.receive(timeout_s=20)
    talk.finish()


def test_to_send_to_one_that_has_gone_is_no_error():
    talk = LOCAL.converse(["true"], timeout_s=30)
    assert talk.receive(timeout_s=10) is None
    for _ in range(3):
        talk.send("x" * 100_000)
    assert talk.receive(timeout_s=10) is None
    talk.finish()


def test_finish_kills_a_client_that_stays():
    talk = Conversation(LOCAL, ["sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait"])
    child = talk.receive(timeout_s=10)
    talk.finish(timeout_s=0.1)
    assert not is_alive(talk.client_pid)
    wait_until(lambda: not is_alive(child))


def test_finish_lets_one_leave_by_itself(tmp_path):
    """Whatever it does at its end, such as giving a governor back, is done."""
    script = 'trap "" TERM HUP INT; read -r line; sleep 0.2; echo restored > "$1"'
    talk = LOCAL.converse(["sh", "-c", script, "sh", str(tmp_path / "said")], timeout_s=30)
    talk.finish()
    assert (tmp_path / "said").read_text() == "restored\n"


def test_ctrl_c_does_not_reach_the_client():
    """A terminal signals the foreground group, which the client is not in."""
    talk = LOCAL.converse(["cat"], timeout_s=30)
    talk.send("ready")
    assert talk.receive(timeout_s=10) == "ready"
    assert os.getpgid(talk.client_pid) == talk.client_pid != os.getpgrp()
    talk.finish()


def test_ctrl_c_ends_a_command_on_the_host(tmp_path):
    """We get the signal alone, and then end the client ourselves."""
    script = (
        "from edgecompress.devices.transport import execute\n"
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
        "from edgecompress.devices.transport import execute\n"
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


def test_files_are_copied_and_what_cannot_be_is_said(tmp_path):
    (tmp_path / "a").write_bytes(b"\0\xff")
    LOCAL.push(tmp_path / "a", str(tmp_path / "b c"))
    LOCAL.pull(str(tmp_path / "b c"), tmp_path / "d")
    assert (tmp_path / "d").read_bytes() == b"\0\xff"
    with pytest.raises(DeviceError, match=r"^Cannot copy to '.*/no/e' on local: No such file or directory\."):
        LOCAL.push(tmp_path / "a", str(tmp_path / "no" / "e"))


@pytest.mark.parametrize(
    ("text", "line"),
    [("", "no reason given"), (" \n\n", "no reason given"), ("a\nb.\n \n", "b"), ("x" * 1000, "x" * 300)],
)
def test_the_last_line(text, line):
    assert last_line(text) == line
