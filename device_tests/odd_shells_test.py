"""Logins whose shell is not the plain one, or says and does things of its own."""

import pytest

from device_tests.cases import Case, as_root, command_in, parameters, see
from edgecompress.devices.wire import unanswered

CHANGE_SHELL = "chsh -s /bin/sh USER"


def interactive_only(board, hint):
    """What a hint has a .bashrc begin with."""
    board.write({".bashrc": f"{command_in(hint)}\n{board.account.files['.bashrc']}"})


def without_exit(board, hint):
    assert "its .bashrc may `exit`" in hint
    board.write({".bashrc": ""})


def other_shell(board, hint):
    assert "Its shell may be /bin/false" in hint
    board.as_root(CHANGE_SHELL)


def as_the_log_says(board, hint):
    """The server's log is the journal's part of it."""
    assert "`journalctl -u ssh` there" in hint
    assert "because shell /bin/nosuch does not exist" in board.server.log.read_text()
    board.as_root(CHANGE_SHELL)


def without_forced_command(board, hint):
    assert "`ForceCommand" in hint and "in its sshd_config" in hint
    board.set_match(())


CASES = (
    Case("a plain bash", "plain"),
    Case("a .bashrc that speaks, and sets a terminal that is not there", "echoes"),
    Case("a .bashrc that changes the folder", "moves"),
    Case("a .bashrc that reads a line", "reads"),
    Case(
        "a .bashrc that exits where no terminal is", "exits", ("runs no shell for us, and says nothing",), without_exit
    ),
    Case("a .bashrc that waits in a menu", "menu", ("waits for something: it says '1) Shell",), interactive_only),
    Case("a .bashrc that takes a second", "slow"),
    Case("tcsh", "tcsh"),
    Case("csh", "csh"),
    Case("fish", "fish"),
    Case("zsh", "zsh"),
    Case("mksh", "mksh"),
    Case("busybox's ash", "ash"),
    Case("a shell that is nologin", "nologin", ("runs no shell for us", "currently not available"), as_root),
    Case("a shell that is /bin/false", "false", ("runs no shell for us, and says nothing",), other_shell),
    Case("a shell that is not there", "missing", ("does not let us in as missing",), as_the_log_says),
    Case("a ForceCommand that prints", "backups", ("runs no shell for us", "for backups only"), without_forced_command),
    Case("a ForceCommand of sftp", "files-only", ("runs no shell for us", "sftp"), without_forced_command),
    Case("a ForceCommand that runs what was asked for", "logged"),
    Case("a banner with words of ssh's own", "banner"),
)


@pytest.mark.parametrize("case", parameters(CASES))
def test_a_shell(case, odd_boards, small_model, output_hash, monkeypatch):
    monkeypatch.setattr(unanswered, "BEGIN_TIMEOUT_S", 4.0)
    see(case, odd_boards[case.account], small_model, output_hash)
