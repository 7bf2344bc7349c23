"""What a device's shell has for us, and which folder is taken."""

import os
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.devices.store import place
from edgecompress.devices.wire.greeting import ENOUGH_KIB, Greeting, parse_greeting
from edgecompress.errors import DeviceError
from edgecompress.testing.devices import FolderTransport

SHELLS = [["dash"], ["bash"], ["busybox", "sh"], ["mksh"], ["zsh", "--emulate", "sh"]]
as_root = pytest.mark.skipif(os.getuid() != 0, reason="it takes root to be somebody else")


def candidates(*texts):
    """A greeting from lines of room, path and why not."""
    return parse_greeting("".join(f"folder={text}\n" for text in texts))


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_this_machine(shell, tmp_path):
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]}")
    with FolderTransport(tmp_path / "home", shell=shell, folder="") as device:
        found = device.greeting
    assert (found.home, found.user, found.bits) == (str(tmp_path / "home"), os.getuid(), 64)
    assert (found.limit, found.hasher) == ("timeout -k 2", "sha256sum")
    assert f"{tmp_path}/home/.cache/edgecompress" in [each.path for each in found.candidates]
    assert not list((tmp_path / "home").rglob(".try*"))


@pytest.mark.parametrize(
    ("wanted", "place"),
    [("/abs/it's here", None), ("~/x y", "x y"), ("~", ""), ("below", "below"), ("a\\b$(id)", "a\\b$(id)")],
)
def test_a_folder_that_is_wanted_is_the_only_one(wanted, place, tmp_path):
    wanted = wanted.replace("/abs", str(tmp_path))
    expected = wanted if place is None else str(tmp_path / "home" / place).rstrip("/")
    with FolderTransport(tmp_path / "home", folder=wanted) as device:
        assert device.folder == f"{expected}/edgecompress/v1"
        assert len(device.greeting.candidates) == 1


def test_a_folder_that_is_wanted_and_cannot_be_used_is_said(tmp_path):
    (tmp_path / "file").touch()
    with FolderTransport(tmp_path / "home", folder=f"{tmp_path}/file") as device:
        with pytest.raises(DeviceError, match=r"no folder for our files: .*/file/edgecompress: it cannot be written: "):
            place(device, {"x": tmp_path / "file"})
        assert device.run(["true"], timeout_s=10).status == 0  # to look at it takes no folder


@as_root
def test_a_home_that_is_another_user_s_is_passed_over(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    with FolderTransport(home, shell=["setpriv", "--reuid=65534", "--clear-groups", "sh"], folder="") as device:
        found = device.greeting
    try:
        (passed,) = (each for each in found.candidates if each.path.startswith(str(home)))
        assert passed.why_not == "it cannot be written: Permission denied"
        assert found.folder == "/tmp/edgecompress-65534"
    finally:
        shutil.rmtree("/tmp/edgecompress-65534", ignore_errors=True)


@as_root
def test_a_folder_that_somebody_has_made_before_us_is_not_taken(tmp_path):
    """In /tmp anybody may: who owns it could change what we run."""
    folder = tmp_path / "home"
    folder.mkdir()
    squatted = "/tmp/edgecompress-65533"
    subprocess.run(["install", "-d", "-m", "777", "-o", "65532", squatted], check=True)
    shell = ["setpriv", "--reuid=65533", "--clear-groups", "sh"]
    try:
        with FolderTransport(folder, shell=shell, folder="") as device:
            found = device.greeting
        assert found.folder != squatted
        assert "/tmp/edgecompress-65533: it belongs to another user" in found.reasons
    finally:
        for each in (squatted, "/var/tmp/edgecompress-65533", "/dev/shm/edgecompress-65533"):
            shutil.rmtree(each, ignore_errors=True)


def test_the_first_folder_with_enough_room_is_taken_or_else_the_one_with_most():
    assert candidates("10\t/a\t", f"{ENOUGH_KIB}\t/b\t", f"{2 * ENOUGH_KIB}\t/c\t").folder == "/b"
    assert candidates("10\t/a\t", "30\t/b\t", "20\t/c\t").folder == "/b"
    assert candidates("0\t/a\tit is no good").folder == "" and candidates().folder == ""


@given(
    st.text() | st.lists(st.sampled_from(["folder=", "home=", "\t", "/a", "64", "\n", "\x1b", "bits="])).map("".join)
)
def test_whatever_a_device_answers(text):
    found = parse_greeting(text)
    assert isinstance(found, Greeting) and found.bits in (32, 64, None)
    assert (found.home + found.folder + found.reasons).isprintable()
    assert found.folder == "" or found.folder.startswith("/")


def test_a_device_that_tells_nothing():
    assert parse_greeting("") == Greeting("", None, "", "", None)
