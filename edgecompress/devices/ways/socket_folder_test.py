import subprocess
import sys

import pytest

from edgecompress.devices.ways import socket_folder
from edgecompress.devices.ways.socket_folder import SocketFolder

HOLD = """
import sys
from pathlib import Path
from edgecompress.devices.ways import socket_folder
socket_folder.PLACE = sys.argv[1]
folder = socket_folder.SocketFolder()
(folder.path / "master").touch()
print(folder.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(socket_folder, "PLACE", str(tmp_path))
    return tmp_path


def test_it_goes_with_its_user(place):
    folder = SocketFolder()
    (folder.path / "master").touch()
    assert [path.parent for path in place.glob("*/master")] == [folder.path]
    folder.close()
    folder.close()
    assert not list(place.iterdir())


def test_what_a_killed_user_left_goes_at_the_next_start_and_nothing_else(place):
    (place / "edgecompress-ssh-file").touch()
    (place / "elsewhere").mkdir()
    (place / "edgecompress-ssh-link").symlink_to(place / "elsewhere")
    command = [sys.executable, "-c", HOLD, str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        left = other.stdout.readline().strip()
        folder = SocketFolder()
        assert {path.parent for path in place.glob("*/master")} == {place / left}
        other.kill()
    second = SocketFolder()
    assert {path.name for path in place.iterdir()} == {
        "edgecompress-ssh-file", "edgecompress-ssh-link", "elsewhere", folder.path.name, second.path.name
    }  # fmt: skip
    folder.close(), second.close()
