"""The host's own Python, in environments without and with the modules."""

import shlex
import subprocess
import sys
import sysconfig
from dataclasses import replace

import pytest

from edgecompress.devices.address import Address
from edgecompress.devices.probe import probe
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.errors import DeviceError
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.runner.launch import launch
from edgecompress.profiling.runner.python_recipe import python_on, recipe, require_modules
from edgecompress.testing.devices import FolderTransport
from edgecompress.testing.sample_files import int8_relu

PI = replace(
    probe(LocalTransport()), machine="aarch64", glibc=(2, 36), bits=64, system="Debian GNU/Linux 12", root=False
)


@pytest.fixture
def board(tmp_path):
    return FolderTransport(tmp_path / "home")


@pytest.fixture
def empty(board):
    """A new environment in the board's home, where the recipe has it."""
    folder = board.home / "edgecompress"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


def fill(environment):
    """What `pip install` would have done."""
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "all.pth").write_text(sysconfig.get_path("purelib"))


def test_a_python_without_the_modules_is_refused_before_anything_is_pushed_and_the_recipe_works(board, empty, tmp_path):
    path, python = int8_relu(tmp_path), str(empty / "bin/python")
    with pytest.raises(DeviceError, match=r"bin/python on ssh:board has no module 'numpy'\.") as raised:
        launch(board, PI, path, runner="python", python=python, threads=1, on_push=pytest.fail)
    assert not list(board.home.rglob("*.tflite"))
    _, command, _, option, _, native, _ = raised.value.hint.split("`")
    words = shlex.split(command)
    assert words[:3] == ["ssh", "-t", "board"] and "apt-get install -y python3-venv" in words[3]
    assert words[3].endswith("python3 -m venv ~/edgecompress && ~/edgecompress/bin/pip install ai-edge-litert==2.3.0")
    assert native == "--runner native"
    flag, named = shlex.split(option)
    assert (flag, named) == ("--device-python", python)
    fill(empty)
    with Bench(board, Plan(runner="python", python=named)) as bench:
        session, how = bench.open(path, threads=1)
        assert how.words[0] == python and session.opened.inputs[0].name == "x"


def test_it_is_asked_once(board, empty, monkeypatch):
    fill(empty)
    asked, run = [], board.run
    monkeypatch.setattr(board, "run", lambda words, **options: asked.append(words) or run(words, **options))
    for _ in range(2):
        require_modules(board, PI, str(empty / "bin/python"), "onnx")
    assert len(asked) == 1


def test_the_home_of_the_device_is_what_a_tilde_means(board):
    assert python_on(board, "~/venv/bin/python") == f"{board.home}/venv/bin/python"
    assert python_on(board, "python3") == "python3" and python_on(LocalTransport(), "python3") == sys.executable


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("no-such-python", "ssh:board has no no-such-python."),
        ("/bin/false", "/bin/false on ssh:board cannot import onnxruntime: no reason given."),
    ],
)
def test_what_is_no_python(program, why, board):
    with pytest.raises(DeviceError) as raised:
        require_modules(board, PI, program, "onnx")
    assert raised.value.message == why and "onnxruntime==" in raised.value.hint


@pytest.mark.parametrize(
    ("change", "address", "command"),
    [
        ({}, Address("ssh", "pi@host", 2200), "ssh -t -p 2200 pi@host 'sudo apt-get"),
        ({"root": True}, Address("ssh", "root@host"), "ssh -t root@host 'apt-get"),
        ({"system": "Fedora Linux 41"}, Address("ssh", "me@host"), "ssh -t me@host 'python3 -m venv"),
        ({"system": "Fedora Linux 41"}, Address("local"), "python3 -m venv"),
    ],
)
def test_a_recipe_is_for_the_system_and_the_user(change, address, command, board, monkeypatch):
    monkeypatch.delenv("EDGECOMPRESS_SSH_CONFIG", raising=False)
    board.address = address
    assert recipe(board, replace(PI, **change), "litert").startswith(f"`{command}")


def test_android_has_none(board):
    assert recipe(board, replace(PI, android=True), "litert") == "Android has no Python of its own."
