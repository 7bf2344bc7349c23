"""Boards that are folders of this machine, good ones and bad ones: what is said of each, up to the runner's answer."""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecompress.devices.address import Address, parse_address
from edgecompress.devices.probe import probe
from edgecompress.devices.ways.emulated import LIBRARIES, QEMU
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.devices.wire.client import Finished
from edgecompress.errors import DeviceError
from edgecompress.profiling.readiness import check as readiness
from edgecompress.profiling.readiness.check import Wanted, check, check_address
from edgecompress.profiling.readiness.step import NAMES, REMEDIES
from edgecompress.testing.devices import FolderTransport

BRIEFLY = Wanted(with_library=False)
INFO = probe(LocalTransport())


class Board(FolderTransport):
    """It logs in without ssh."""

    def __init__(self, home, **options):
        super().__init__(home, **options)
        self.address = replace(self.address, kind="adb", target="board")  # so that no ssh is asked where it would go


@pytest.fixture
def board(tmp_path):
    with Board(tmp_path / "home") as board:
        yield board


def last(board, wanted=BRIEFLY):
    """The step that a check ends with, once it is sure that this is not ready."""
    found = check(board, wanted)
    assert not found.is_ready and [step.state for step in found.steps].count("no") == 1
    assert found.steps[-1].state == "no" and found.steps[-1].remedy and found.steps[-1].found.isprintable()
    with pytest.raises(DeviceError) as raised:
        found.require()
    assert (raised.value.message, raised.value.hint) == (found.steps[-1].found, found.steps[-1].remedy)
    return found.steps[-1]


def test_a_good_board_is_ready_once_the_runner_has_answered(board):
    told = []
    found = check(board, Wanted(), on_step=told.append)
    assert found.is_ready and found.steps == told and found.require() == found.info
    names = [step.name for step in told]
    assert names == [name for name in NAMES if name in names]  # in this order
    assert {"adb", "shell", "folder", "system", "timeout", "push", "cores", "governor", "load"} < {*names}
    assert names[-1] == "runner" and re.fullmatch(r"answers, on \d+ cores", told[-1].found)
    assert found.conditions["memory_total_bytes"] > 0
    assert not list((board.home / "cache of it's").rglob("check-*"))  # what was pushed to see whether it goes


def test_this_machine_is_ready():
    found = check_address(Address("local"), BRIEFLY)
    assert found.is_ready and found.steps[0].name == "system"


@pytest.mark.skipif(shutil.which(QEMU) is None or not LIBRARIES.is_dir(), reason=f"it takes {QEMU} and {LIBRARIES}")
def test_an_emulated_processor_is_ready_once_the_runner_has_answered_under_it():
    found = check_address(Address("emulated", "cortex-a76"))
    assert [(step.name, step.state) for step in found.steps] == [("emulator", "ok"), ("runner", "ok")]
    assert found.steps[-1].found == "answers, on aarch64" and found.is_ready


def test_a_noisy_login_is_shown_and_does_no_harm(tmp_path):
    with Board(tmp_path / "home", shell=["sh", "-c", "echo 'Welcome!'; exec sh"]) as board:
        found = check(board, BRIEFLY)
    (shell,) = (step for step in found.steps if step.name == "shell")
    assert found.is_ready and (shell.state, shell.found) == ("ok", "works; at login it says 'Welcome!'")


def test_an_account_without_a_shell(tmp_path):
    step = last(Board(tmp_path / "home", shell=["sh", "-c", "echo 'This account is currently not available.'; exit 1"]))
    assert step.name == "shell" and "chsh -s /bin/sh" in step.remedy


def test_a_folder_that_cannot_be_used_and_the_remedy(tmp_path):
    (tmp_path / "file").touch()
    with Board(tmp_path / "home", folder=f"{tmp_path}/file") as board:
        step = last(board)
    assert step.name == "folder" and "--device-folder" in step.remedy
    with Board(tmp_path / "home", folder=f"{tmp_path}/other") as board:
        assert check(board, BRIEFLY).is_ready


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("unshare"), reason="only root mounts")
def test_a_folder_from_which_nothing_is_executed(tmp_path):
    (tmp_path / "noexec").mkdir()
    mount = f"mount -t tmpfs -o noexec none {tmp_path}/noexec && exec sh"
    shell = ["unshare", "-m", "sh", "-c", mount]
    with Board(tmp_path / "home", shell=shell, folder=f"{tmp_path}/noexec") as board:
        step = last(board)
    assert step.name == "folder" and "nothing in it can be executed" in step.found


@pytest.mark.parametrize(
    ("changed", "words", "remedy"),
    [
        ({"bits": 32}, "a 64-bit kernel and a 32-bit system", "64-bit"),
        ({"machine": "armv7l", "bits": 32}, "a 32-bit system", "Raspberry Pi OS (64-bit)"),
        ({"machine": "aarch64", "glibc": (2, 31)}, "the GNU C library 2.31", "Debian 12"),
        ({"glibc": None, "libc": "musl"}, "the C library musl", "Debian 12"),
        ({"machine": "riscv64"}, "a riscv64 processor", "Arm"),
        ({"machine": ""}, "does not tell which processor", "uname -m"),
    ],
)
def test_a_system_that_cannot_run_it_is_refused_before_anything_is_pushed(changed, words, remedy, board, monkeypatch):
    monkeypatch.setattr(readiness, "probe", lambda transport: replace(INFO, **changed))
    step = last(board)
    assert step.name == "system" and words in step.found and remedy in step.remedy
    assert not [path for path in board.home.rglob("*") if path.is_file()]


def test_an_older_board_may_still_run_the_other_runtime(board, monkeypatch):
    monkeypatch.setattr(readiness, "probe", lambda transport: replace(INFO, machine="aarch64", glibc=(2, 31)))
    found = check(board, Wanted(runtimes=("litert", "onnx"), with_library=False))
    assert next(step for step in found.steps if step.name == "system").state == "ok"


def answers(board, monkeypatch, finished):
    """Have the runner there answer with this."""
    run = board.run
    monkeypatch.setattr(board, "run", lambda words, **limit: finished if "--about" in words else run(words, **limit))


def test_libraries_that_are_missing(board, monkeypatch):
    said = '{"glibc": "2.36", "machine": "aarch64", "cores": 3, "missing": ["libstdc++.so.6"]}'
    answers(board, monkeypatch, Finished(0, said, ""))
    step = last(board)
    assert step.name == "runner" and "lacks libstdc++.so.6" in step.found and "apt-get install" in step.remedy


@pytest.mark.parametrize("finished", [Finished(127, "", "not found"), Finished(132, "", ""), Finished(0, "ready", "")])
def test_a_runner_that_does_not_answer(finished, board, monkeypatch):
    answers(board, monkeypatch, finished)
    assert last(board).name == "runner"


def test_a_python_without_the_modules(board):
    step = last(board, Wanted(runner="python", python="/bin/false"))
    assert step.name == "runner" and "cannot import" in step.found


def test_a_hash_tool_that_is_missing_is_a_warning(tmp_path):
    (tmp_path / "bin").mkdir()
    for folder in ("/bin", "/usr/bin"):
        for tool in Path(folder).iterdir():
            if tool.name not in ("sha256sum", "md5sum", "cksum") and not (tmp_path / "bin" / tool.name).exists():
                (tmp_path / "bin" / tool.name).symlink_to(tool)
    with Board(tmp_path / "home", path=str(tmp_path / "bin")) as board:
        found = check(board, BRIEFLY)
    assert found.is_ready and "push" in [step.name for step in found.warnings]


def test_a_board_that_nobody_answers_at():
    found = check_address(parse_address("ssh:nobody@127.0.0.1:1"))
    assert [(step.name, step.state) for step in found.steps] == [("name", "ok"), ("port", "no")]


def test_what_cannot_even_be_tried(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(readiness, "connect", lambda address: (_ for _ in ()).throw(DeviceError("There is no adb.")))
    found = check_address(Address("adb"))
    assert [(step.name, step.state, step.found) for step in found.steps] == [("adb", "no", "There is no adb.")]


class Babbles(LocalTransport):
    """A device that answers with this, whatever it is asked; it is not treated as this machine."""

    def __init__(self, status, text):
        super().__init__()
        self.finished = Finished(status, text, text)

    def run(self, words, *, timeout_s):
        return self.finished


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.integers(0, 255), st.text(max_size=100))
def test_a_device_that_babbles_is_never_ready(status, text):
    found = check(Babbles(status, text), BRIEFLY)
    assert not found.is_ready and all(step.found.isprintable() and step.remedy.isprintable() for step in found.steps)


def test_every_step_has_a_section_about_its_remedies_and_every_section_is_a_step_s():
    root = Path(readiness.__file__).parents[3]
    if not (root / REMEDIES).exists():
        pytest.skip("not in a checkout")
    sections = re.findall(r"^## (.+)$", (root / REMEDIES).read_text(), re.MULTILINE)
    assert sections == list(NAMES)
