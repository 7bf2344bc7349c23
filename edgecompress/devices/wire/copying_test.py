"""Files over a line that is cut, to a device that damages them or has no room."""

import random
import sys

import pytest

from edgecompress.errors import DeviceError, DeviceGone
from edgecompress.testing.devices import FolderTransport

CONTENT = random.Random(1).randbytes(300_000)
TARGET = "some where/it's it"

# Lets so many bytes through to the device, then falls silent and hangs up; each time anew.
CUT = """
import os, subprocess, sys
budget = int(sys.argv[1])
child = subprocess.Popen(["sh"], stdin=subprocess.PIPE)
while budget > 0 and (data := os.read(0, min(budget, 4096))):
    os.write(child.stdin.fileno(), data)
    budget -= len(data)
if budget <= 0:
    child.kill()
"""


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").write_bytes(CONTENT)
    return tmp_path / "source"


@pytest.fixture
def cutting(tmp_path):
    """Make a device whose line is cut after so many bytes."""

    def make(budget):
        (tmp_path / "cut.py").write_text(CUT)
        device = FolderTransport(tmp_path / "home", shell=["sh"])
        assert device.greeting
        device.hang_up()
        device.sh = [sys.executable, "-S", str(tmp_path / "cut.py"), str(budget)]
        return device

    return make


@pytest.mark.parametrize("size", [0, 1, 65_536, 300_000])
def test_bytes_come_back_as_they_went(size, source, tmp_path):
    source.write_bytes(CONTENT[:size])
    with FolderTransport(tmp_path / "home") as device:
        target, told = f"{device.home}/{TARGET}", []
        device.push(source, target, on_bytes=lambda *each: told.append(each))
        device.pull(target, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == CONTENT[:size]
        assert told[0] == (0, size) and all(total == size for _, total in told)


def test_a_push_that_is_cut_is_gone_on_with(cutting, source, tmp_path):
    device, told = cutting(130_000), []
    target = f"{device.home}/{TARGET}"
    device.push(source, target, on_bytes=lambda *each: told.append(each[0]))
    device.close()
    assert (device.home / TARGET).read_bytes() == CONTENT
    starts = [done for done in told if done]
    assert len(starts) >= 2 and starts == sorted(starts)


def test_a_line_on_which_nothing_arrives_is_given_up(cutting, source):
    device = cutting(2500)  # the script, and no more
    with pytest.raises(DeviceGone, match=r"^ssh:board went away in the middle of a copy"):
        device.push(source, f"{device.home}/{TARGET}")
    device.close()
    assert not (device.home / TARGET).exists()


def test_a_file_that_is_not_there(tmp_path):
    failed = pytest.raises(DeviceError, match=r"^Copying to or from ssh:board failed: .*No such file")
    with FolderTransport(tmp_path / "home") as device, failed:
        device.pull(f"{tmp_path}/none", tmp_path / "back")


def test_a_target_that_cannot_be_written_here(source, tmp_path):
    failed = pytest.raises(DeviceError, match=r"^Cannot write '.*/no/back': No such file or directory\.")
    with FolderTransport(tmp_path / "home") as device, failed:
        device.pull(str(source), tmp_path / "no" / "back")


TOOLS = {  # in the place of a device's own
    "sha256sum": ("cat > /dev/null; echo 0123456789 -", r"^A file arrived damaged on ssh:board\. Is its disk full"),
    "cat": (
        "head -c 9; echo 'cat: No space left on device' >&2; exit 1",
        r"^The disk of ssh:board is full\. ",
    ),
    "mkdir": (
        "echo 'mkdir: Read-only file system' >&2; exit 1",
        r"^The folder for files on ssh:board cannot be written",
    ),
    "mv": ("echo 'mv: Permission denied' >&2; exit 1", r"^The folder for files on ssh:board cannot be written: mv: P"),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_a_device_that_cannot_take_it(tool, source, tmp_path):
    does, said = TOOLS[tool]
    with FolderTransport(tmp_path / "home", path=f"{tmp_path}/bin:/usr/bin:/bin") as device:
        assert device.greeting.folder
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / tool).write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{does}\n")
        (tmp_path / "bin" / tool).chmod(0o755)
        with pytest.raises(DeviceError, match=said):
            device.push(source, f"{device.home}/{TARGET}")
        assert not (device.home / TARGET).exists()
