import json
import os
import platform
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.devices.probe import probe
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.devices.wire.client import Finished
from edgecompress.errors import DeviceError
from edgecompress.native.build import MACHINES, build_runner
from edgecompress.native.libraries import library_for
from edgecompress.profiling.runner.about import About, _parsed, ask_runner
from edgecompress.testing.devices import FolderTransport

LOCAL = LocalTransport()
INFO = probe(LOCAL)
GOOD = {"glibc": "2.36", "machine": "aarch64", "cores": 15, "missing": []}
pytestmark = pytest.mark.skipif(platform.machine() not in MACHINES, reason=f"no runner for {platform.machine()}")


@pytest.fixture
def board(tmp_path):
    with FolderTransport(tmp_path / "home") as board:
        yield board


@pytest.mark.parametrize("runtime", ["litert", "onnx"])
def test_this_machine_as_a_board(runtime, board):
    pushed = []
    said = ask_runner(board, INFO, runtime, on_push=lambda name, done, total: pushed.append(name))
    assert said.cores == sum(1 << core for core in os.sched_getaffinity(0)) and said.machine == platform.machine()
    assert said.glibc == platform.libc_ver()[1] and not said.missing
    library = Path(library_for(runtime, platform.machine(), device="").member).name
    assert list(dict.fromkeys(pushed)) == ["edgecompress-runner", library]


def test_the_library_can_be_left_out(board):
    pushed = []
    ask_runner(board, INFO, "litert", with_library=False, on_push=lambda name, done, total: pushed.append(total))
    assert sum({*pushed}) < 200_000


def test_a_damaged_library_is_a_refusal(tmp_path):
    (tmp_path / "library.so").write_bytes(bytes(10_000))
    words = [build_runner(platform.machine()), "--about", "1", "--library", tmp_path / "library.so"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "cannot load the runtime" in json.loads(done.stdout)["refusal"]  # and there is no other line
    with pytest.raises(DeviceError, match=r"^The runner on local cannot load the runtime: .*invalid ELF header\."):
        _parsed(LOCAL, Finished(done.returncode, done.stdout, done.stderr))


def test_missing_libraries_are_named_with_the_command_that_brings_them(board, monkeypatch):
    said = json.dumps({**GOOD, "missing": ["libstdc++.so.6", "libgcc_s.so.1"]})
    run = board.run
    monkeypatch.setattr(
        board,
        "run",
        lambda words, **options: Finished(0, said, "") if "--about" in words else run(words, **options),
    )
    with pytest.raises(DeviceError, match=r"ssh:board lacks libstdc\+\+\.so\.6 and libgcc_s\.so\.1, which") as raised:
        ask_runner(board, INFO, "litert")
    assert "apt-get install libstdc++6 libgcc-s1" in raised.value.hint


@pytest.mark.parametrize(
    ("status", "said", "errors", "words"),
    [
        (127, "", "sh: 1: /x/edgecompress-runner: not found", "does not start the runner: sh: 1: /x/edgecompress"),
        (126, "", "timeout: failed to run: Permission denied", "does not start the runner: timeout"),
        (132, "", "", "crashed on local (SIGILL)"),
        (255, "", "", "answered nonsense: ''"),
        (0, "Welcome!\n", "", "answered nonsense: 'Welcome!'"),
        (0, json.dumps({**GOOD, "cores": 0}), "", "answered nonsense"),
        (0, json.dumps({**GOOD, "missing": ["x"] * 9}), "", "answered nonsense"),
        (0, json.dumps({**GOOD, "missing": ["\x1b[2J"]}), "", "answered nonsense"),
        (0, json.dumps({**GOOD, "glibc": "9" * 5000}), "", "answered nonsense"),
        (0, "[" * 100_000, "", "answered nonsense"),
    ],
)
def test_what_is_no_answer(status, said, errors, words):
    with pytest.raises(DeviceError) as raised:
        _parsed(LOCAL, Finished(status, said, errors))
    assert words in raised.value.message and raised.value.hint
    assert str(raised.value).isprintable() and len(str(raised.value)) < 500


@given(st.integers(0, 255), st.text(max_size=50) | st.just(json.dumps(GOOD)), st.text(max_size=50))
def test_whatever_comes_is_an_answer_or_a_sentence(status, said, errors):
    try:
        assert isinstance(_parsed(LOCAL, Finished(status, said, errors)), About)
    except DeviceError as error:
        assert str(error).isprintable()


def test_a_system_that_cannot_is_refused_before_anything_is_pushed(board):
    with pytest.raises(DeviceError, match="a 32-bit system"):
        ask_runner(board, replace(INFO, bits=32), "litert", on_push=pytest.fail)
