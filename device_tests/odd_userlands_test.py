"""Systems that lack what this tool would use, have it in another form, or cannot run its runner at all."""

import shutil
import subprocess
from pathlib import Path

import pytest

from device_tests.cases import Case, command_in, parameters, see
from device_tests.clients import Client
from device_tests.dropbear import dropbear
from device_tests.faults_test import none_left
from edgecompress.devices import conditions
from edgecompress.devices.address import parse_address
from edgecompress.devices.connect import connect
from edgecompress.errors import DeviceError


def another_system(board, hint):
    """This machine's, which is one that the hint names."""
    assert "Debian 12" in hint or "64-bit system" in hint
    board.set_match((), userland=False)
    board.as_root("mkdir -p /home/USER && chown USER /home/USER")


def installed(board, hint):
    """What Debian's packages of these names hold is taken from this machine."""
    words = command_in(hint).split()
    assert words[:3] == ["sudo", "apt-get", "install"]
    files = subprocess.run(["dpkg", "-L", *words[3:]], capture_output=True, text=True, check=True).stdout.split()
    for file in {each for each in files if ".so" in Path(each).name and Path(each).exists()}:
        target = board.root / Path(file).relative_to("/")
        if not target.exists():
            shutil.copy2(file, target, follow_symlinks=False)


_UNTOLD = "not told: throttling"
CASES = (
    Case("busybox 1.30 and nothing else", "busybox"),
    Case("a C library that is too old for LiteRT", "old-arm", ("the GNU C library 2.31", "needs 2.34"), another_system),
    Case("musl in the place of the GNU C library", "musl", ("the C library musl", "needs 2.27"), another_system),
    Case(
        *("a 64-bit kernel with 32-bit programs", "32-bits"),
        *(("has a 64-bit kernel and a 32-bit system",), another_system),
    ),
    Case("an old busybox's `timeout`, which takes -t", "old-timeout"),
    Case("no timeout, taskset, nproc, sha256sum and the like", "few-tools"),
    Case("no getconf, and no ldd", "no-getconf"),
    Case("a vcgencmd that hangs", "hanging-vcgencmd", line=_UNTOLD),
    Case("a vcgencmd that may not be used", "no-video", line=_UNTOLD),
    Case("no C++ library", "no-c++", ("lacks libstdc++.so.6",), installed),
)


@pytest.mark.parametrize("case", parameters(CASES))
def test_a_system(case, odd_boards, small_model, output_hash, monkeypatch):
    monkeypatch.setattr(conditions, "PROGRAM_LIMIT_S", 1)
    see(case, odd_boards[case.account], small_model, output_hash)


LIMITS = {"plain": "timeout -k 2", "busybox": "timeout", "old-timeout": "timeout -t", "few-tools": ""}


@pytest.mark.parametrize("account", LIMITS)
def test_a_command_is_ended_by_whichever_timeout_there_is(account, odd_boards):
    with connect(parse_address(odd_boards[account].address)) as transport:
        assert transport.greeting.limit == LIMITS[account]
        with pytest.raises(DeviceError, match="within 1 s"):
            transport.run(["sleep", "7531"], timeout_s=1)
    assert none_left("7531") == []


def test_dropbear_without_sftp(odd_boards, small_model, output_hash, tmp_path, monkeypatch):
    board = odd_boards["dropbear"]
    with dropbear(board, tmp_path) as (port, known_hosts):
        client = Client(board, odd_boards, tmp_path, monkeypatch)
        client.write(Port=port, UserKnownHostsFile=known_hosts)
        see(Case("dropbear", "dropbear"), client, small_model, output_hash)
