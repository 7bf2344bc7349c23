import os
import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.devices.ways.local import LocalTransport
from edgecompress.devices.wire import channel, transport
from edgecompress.devices.wire.client_test import is_alive
from edgecompress.devices.wire.limits import FORMS, limited
from edgecompress.errors import DeviceError, DeviceGone
from edgecompress.testing.devices import FolderTransport

LOCAL = LocalTransport()


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


@pytest.mark.parametrize("form", FORMS)
@given(words=st.lists(WORDS, min_size=1, max_size=5), timeout_s=st.floats(0, 1e6))
def test_a_limited_command_is_one_line_of_quoted_words(form, words, timeout_s):
    """So that whichever shell a device has, it sees these words, the last ones as given."""
    split = shlex.split(limited(words, timeout_s, form))
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
    monkeypatch.setattr(channel, "MAX_OUTPUT_BYTES", 100_000)
    with pytest.raises(DeviceError, match="answered with more than 100000 bytes"):
        LOCAL.run(["sh", "-c", f"yes >&{stream}"], timeout_s=30)


def test_files_are_copied_and_what_cannot_be_is_said(tmp_path):
    (tmp_path / "a").write_bytes(b"\0\xff")
    LOCAL.push(tmp_path / "a", str(tmp_path / "b c"))
    LOCAL.pull(str(tmp_path / "b c"), tmp_path / "d")
    assert (tmp_path / "d").read_bytes() == b"\0\xff"
    with pytest.raises(DeviceError, match=r"^Cannot copy to '.*/no/e' on local: No such file or directory\."):
        LOCAL.push(tmp_path / "a", str(tmp_path / "no" / "e"))


class Board(FolderTransport):
    """A board that writes a line into a file for each login."""

    def __init__(self, folder):
        self.logins = folder / "logins"
        super().__init__(folder / "home", shell=["sh", "-c", f"echo >> '{self.logins}'; exec sh"])

    def count(self):
        return len(self.logins.read_text().splitlines())


def test_one_login_serves_all_commands_that_read_nothing(tmp_path):
    with Board(tmp_path) as board:
        assert [board.shell('echo "$1"; exit "$1"', str(n)).status for n in range(5)] == list(range(5))
        assert board.shell("exit 3; echo").status == 3 and board.run(["cat"], timeout_s=10).stdout == ""
        with pytest.raises(DeviceError):
            board.shell("exec sleep 30", timeout_s=1)
        assert board.shell("echo still").stdout == "still\n"
        assert board.count() == 1
        talk = board.converse(["cat"], timeout_s=30)
        talk.finish()
        assert board.count() == 2


def test_a_shell_that_was_closed_while_nobody_looked_is_opened_anew(tmp_path):
    with Board(tmp_path) as board:
        board.shell("exit 0")
        subprocess.run(["pkill", "-9", "-P", str(os.getpid())], check=True)  # the kept one is our only child
        assert board.shell("echo again").stdout == "again\n" and board.count() == 2


def test_a_device_that_goes_away_in_the_middle(tmp_path):
    kill = "kill -9 $(ps -o ppid= -p $PPID)"  # the shell around `timeout`: as if the line had been cut
    with Board(tmp_path) as board:
        with pytest.raises(DeviceGone, match=r"^ssh:board went away in the middle of a command\. Is it still"):
            board.shell(kill)
        talk = board.converse(["sh", "-c", f"read -r line; {kill}"], timeout_s=30)
        talk.send("go")
        with pytest.raises(DeviceGone, match=r"^ssh:board went away in the middle of a measurement\. Is it still"):
            talk.receive(timeout_s=10)
        talk.finish()
        board.reconnect(within_s=5)
        assert board.shell("echo back").stdout == "back\n"


def test_a_device_that_stays_away(tmp_path, monkeypatch):
    monkeypatch.setattr(transport, "RETRY_EVERY_S", 0.05)
    with Board(tmp_path) as board:
        assert board.greeting.home
        board.sh, tries = ["false"], []
        with pytest.raises(DeviceGone, match=r"^ssh:board went away\. Is it still connected\?$"):
            board.reconnect(within_s=0.3, on_try=lambda: tries.append(1))
        assert len(tries) > 1
