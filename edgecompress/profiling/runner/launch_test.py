import platform
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgecompress.devices.address import Address
from edgecompress.devices.probe import probe
from edgecompress.devices.ways.emulated import LIBRARIES as ARM_LIBRARIES
from edgecompress.devices.ways.emulated import QEMU, EmulatedTransport
from edgecompress.devices.ways.emulated_test import CAN_EMULATE
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.errors import DeviceError, ModelFileError
from edgecompress.native.build import MACHINES, SOURCES, build_runner
from edgecompress.native.libraries import library_for
from edgecompress.profiling.runner.launch import choose_runner, launch
from edgecompress.profiling.runner.native_fit import LOADER
from edgecompress.profiling.runner.session import Opened, RunnerSession
from edgecompress.testing.binary_files import network
from edgecompress.testing.devices import FolderTransport
from edgecompress.testing.sample_files import int8_relu, logarithm

LOCAL = LocalTransport()
INFO = probe(LOCAL)
PI = replace(INFO, machine="aarch64", glibc=(2, 36), python="3.11.2")
PHONE = replace(INFO, machine="aarch64", glibc=None, android=True, python="")
needs_runner = pytest.mark.skipif(platform.machine() not in MACHINES, reason=f"no runner for {platform.machine()}")


@pytest.fixture
def board(tmp_path):
    (tmp_path / "home").mkdir()
    return FolderTransport(tmp_path / "home")


@pytest.fixture
def model(tmp_path):
    return int8_relu(tmp_path)


def opened(version, **more):
    times = dict.fromkeys(("library_ns", "load_ns", "compile_ns", "first_ns", "model_memory_bytes", "cores"), 1)
    return Opened(version, **times, output_hash="", inputs=(), outputs=(), **more)


def option(words, name):
    return words[words.index(name) + 1]


def test_the_c_runner_unless_there_is_no_compiler_for_this_machine(board, monkeypatch):
    assert choose_runner("auto", LOCAL) == choose_runner("auto", board) == "native"
    monkeypatch.setitem(sys.modules, "ziglang", None)
    monkeypatch.setenv("PATH", "")  # and none of the system's
    assert (choose_runner("auto", LOCAL), choose_runner("auto", board)) == ("python", "native")
    assert choose_runner("native", LOCAL) == "native" and choose_runner("python", board) == "python"


@needs_runner
def test_the_words_for_this_machine(model):
    how = launch(LOCAL, INFO, model, runner="native", threads=3, seed=9, cores=0xF0)
    assert how.words[0] == str(build_runner(platform.machine())) and how.runner == "native"
    assert (option(how.words, "--runtime"), option(how.words, "--threads")) == ("litert", "3")
    assert (option(how.words, "--seed"), option(how.words, "--cores")) == ("9", "f0")
    assert option(how.words, "--model") == str(model)
    assert how.library == library_for("litert", platform.machine(), device="local")
    assert how.runtime(model, opened("")) == how.library.label
    assert not {"--inputs", "--marks"} & set(how.words)
    assert "--cores" not in launch(LOCAL, INFO, model, runner="native", threads=1).words


def test_the_words_for_the_python_runner(tmp_path, model):
    path = logarithm(tmp_path)
    how = launch(LOCAL, INFO, path, runner="python", threads=1, inputs=model)
    assert how.words[:2] == (sys.executable, str(SOURCES / "runner.py")) and how.runner == "python"
    assert option(how.words, "--runtime") == "onnx" and option(how.words, "--inputs") == str(model)
    assert how.library is None and how.runtime(path, opened("1.2.3")) == "ONNX Runtime 1.2.3"
    assert "--library" not in how.words


@needs_runner
@pytest.mark.parametrize("runner", ["native", "python"])
@pytest.mark.parametrize("name", ["a b'c.tflite", "$(exit 1).tflite", "-x.tflite", "ü.TFLITE", "inputs.tflite"])
def test_awkward_names_start_and_run(name, runner, board, model):
    awkward = model.rename(model.with_name(name))
    inputs = model.with_name("in puts")
    inputs.write_bytes(bytes(4))
    for transport in (LOCAL, board):
        python = sys.executable  # the one that has the runtimes' packages
        how = launch(transport, INFO, awkward, runner=runner, threads=1, inputs=inputs, python=python)
        with RunnerSession(transport, how.words, model=name, limit_s=60) as session:
            assert session.opened.inputs[0].name == "x"


@needs_runner
def test_everything_is_pushed_once(board, model):
    pushed = []
    first = launch(
        board, INFO, model, runner="native", threads=1, on_push=lambda name, done, total: pushed.append(name)
    )
    assert list(dict.fromkeys(pushed)) == ["relu.tflite", "edgecompress-runner", "libLiteRt.so"]
    assert all(word.startswith(f"{board.folder}/") for word in (first.words[0], option(first.words, "--library")))
    assert launch(board, INFO, model, runner="native", threads=1, on_push=pytest.fail) == first


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (replace(PI, machine="armv7l"), "ssh:board is a 32-bit system"),
        (replace(PI, machine="riscv64"), "ssh:board has a riscv64 processor, for which there is no runtime"),
        (replace(PI, machine=""), "ssh:board does not tell which processor it has"),
        (replace(PI, bits=32), "ssh:board has a 64-bit kernel and a 32-bit system"),
        (replace(INFO, machine="x86_64", bits=32), "ssh:board has a 64-bit kernel and a 32-bit system"),
        (replace(PI, glibc=None, libc="musl"), "ssh:board has the C library musl, and no GNU C library"),
        (replace(PI, glibc=(2, 31)), r"ssh:board has the GNU C library 2\.31; LiteRT 2\.3\.0 needs 2\.34 or newer"),
        (replace(PI, glibc=None, libc=""), "ssh:board has no GNU C library"),
    ],
)
def test_a_device_that_cannot_run_it_is_refused_before_anything_is_pushed(info, reason, board, model):
    with pytest.raises(DeviceError, match=f"^{reason}"):
        launch(board, info, model, runner="auto", threads=1, on_push=pytest.fail)
    assert not list(board.home.iterdir())


def test_an_older_board_may_still_run_the_other_runtime(board, tmp_path):
    """ONNX Runtime asks for 2.28."""
    how = launch(board, replace(PI, glibc=(2, 31)), logarithm(tmp_path), runner="native", threads=1)
    assert how.library.runtime == "onnx" and how.library.machine == "aarch64"
    assert (board.home / how.words[0]).read_bytes() == build_runner("aarch64").read_bytes()


@pytest.mark.parametrize("system", [{"bits": 32}, {"glibc": (2, 31)}, {"glibc": None, "libc": "musl"}])
def test_runners_do_not_point_at_each_other_where_neither_can_run(system, board, tmp_path):
    """Neither wheel nor library is there for such a system: the way out is another one."""
    info, path = replace(PI, python="", **system), int8_relu(tmp_path)
    with pytest.raises(DeviceError) as native:
        launch(board, info, path, runner="native", threads=1, on_push=pytest.fail)
    with pytest.raises(DeviceError) as python:
        launch(board, info, path, runner="python", python="no-such-python", threads=1, on_push=pytest.fail)
    assert str(native.value) == str(python.value) and "--runner" not in str(native.value)


def test_binary_layers_point_at_the_native_runner_only_where_it_can_run(board, tmp_path):
    path, _ = network(tmp_path)
    for info, hint in ((PI, "Measure with `--runner native`."), (replace(PI, bits=32), "a 32-bit system")):
        with pytest.raises(DeviceError, match="binary layers") as raised:
            launch(board, info, path, runner="python", threads=1)
        assert hint in raised.value.hint


def test_a_file_that_no_runtime_takes(tmp_path):
    (tmp_path / "model.h5").touch()
    with pytest.raises(ModelFileError, match=r"model\.h5 cannot be run"):
        launch(LOCAL, INFO, tmp_path / "model.h5", runner="auto", threads=1)


@pytest.mark.skipif(not (ARM_LIBRARIES / LOADER).exists(), reason=f"there is no C library in {ARM_LIBRARIES}")
def test_a_phone_gets_a_c_library_and_its_loader(board, model):
    how = launch(board, PHONE, model, runner="native", threads=1)
    assert Path(how.words[0]).name == LOADER and how.words[1] == "--library-path"
    assert Path(how.words[3]).name == "edgecompress-runner"
    folders = [board.home / folder for folder in how.words[2].split(":")]
    for name in ("libc.so.6", "libstdc++.so.6", "libm.so.6"):
        (found,) = [folder / name for folder in folders if (folder / name).exists()]
        assert found.read_bytes() == (ARM_LIBRARIES / name).read_bytes()


@needs_runner
@pytest.mark.skipif(not CAN_EMULATE, reason=f"it takes {QEMU} and {ARM_LIBRARIES}")
def test_an_emulated_device_runs_the_runner_behind_qemu(model, tmp_path):
    with EmulatedTransport(Address("emulated", "cortex-a72")) as transport:
        how = launch(transport, INFO, model, runner="auto", threads=1, counts=tmp_path / "counts")
    assert how.words[0] == QEMU and how.words[how.words.index("-plugin") + 2] == str(build_runner("aarch64"))
    assert option(how.words, "--marks") == "1" and how.library.machine == "aarch64"
