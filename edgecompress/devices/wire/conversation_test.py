import os

import pytest

from edgecompress.devices.ways.local import LocalTransport
from edgecompress.devices.wire import channel
from edgecompress.devices.wire.client_test import is_alive, wait_until
from edgecompress.errors import DeviceError

LOCAL = LocalTransport()


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
    monkeypatch.setattr(channel, "MAX_OUTPUT_BYTES", 1 << 20)
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
    talk = LOCAL.converse(["sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait"], timeout_s=60)
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
