"""Accounts with odd names, and homes in which our files cannot lie, or not run."""

import subprocess

import pytest

from device_tests.cases import Case, measure, parameters, see
from edgecompress.devices.address import parse_address


def another_folder(board, hint):
    """By `--device-folder`."""
    assert "`--device-folder /PATH`" in hint
    (board.root / "srv/work").mkdir()
    (board.root / "srv/work").chmod(0o777)
    return parse_address(board.address).using(folder="/srv/work")


def more_room(board, hint):
    assert "Make room" in hint
    subprocess.run(["mount", "-o", "remount,size=64m", str(board.home)], check=True)


CASES = (
    Case("a name with a dot", "first.last"),
    Case("a name that begins with a digit", "1digit"),
    Case("a name of a Windows domain", "DOM\\user"),
    Case("a home from which nothing may be executed", "no-exec"),
    Case("no folder at all to execute from", "no-exec-anywhere", ("has no folder for our files",), another_folder),
    Case("a home of 4 MB", "tiny"),
    Case("a home that is read-only", "read-only"),
    Case("full disks everywhere", "full", ("The disk of", "is full"), more_room),
    Case("no home", "homeless"),
    Case("a umask that keeps everybody else out", "private"),
    Case("our folder in /tmp made by somebody else", "squatted"),
    Case("a server that allows one session a connection", "one-session"),
)


@pytest.mark.parametrize("case", parameters(CASES))
def test_a_folder(case, odd_boards, small_model, output_hash):
    board = odd_boards[case.account]
    if case.account == "squatted":
        (board.root / f"tmp/edgecompress-{board.user}").mkdir()
    see(case, board, small_model, output_hash)


@pytest.mark.parametrize("how", ["option", "configured"])
def test_a_folder_that_the_user_names(how, odd_boards, small_model, tmp_path, monkeypatch):
    """By `--device-folder`, or in devices.toml."""
    board = odd_boards["own-folder"]
    wanted = board.home / how
    if how == "option":
        device = parse_address(board.address).using(folder=str(wanted))
    else:
        device = "board"
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        (tmp_path / "edgecompress").mkdir()
        lines = f'[devices.board]\naddress = "{board.address}"\nfolder = "{wanted}"\n'
        (tmp_path / "edgecompress/devices.toml").write_text(lines)
    assert measure(device, small_model).steady.count >= 5
    assert list(wanted.rglob("edgecompress-runner"))
