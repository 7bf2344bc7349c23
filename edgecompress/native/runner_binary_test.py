"""The C runner with our own kernels: the same outputs as in a session, and what it says of them."""

import json
import platform
import shutil

import numpy as np
import pytest

from edgecompress.devices.address import Address
from edgecompress.devices.ways.emulated import LIBRARIES, QEMU, EmulatedTransport
from edgecompress.native.build import MACHINES, build_binary_kernels, build_instruction_counter, build_runner
from edgecompress.native.libraries import library_file, library_for
from edgecompress.native.runner_test import ends_with, fnv, seeded
from edgecompress.runtimes.engines.tflite_binary_test import lying
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.testing.binary_files import BinaryModel, network
from edgecompress.testing.runners import REFUSED, running
from edgecompress.testing.sample_files import FACE, quantized_relu

pytestmark = pytest.mark.skipif(platform.machine() not in MACHINES, reason=f"no runner for {platform.machine()}")


@pytest.fixture(scope="module")
def kernels():
    return build_binary_kernels(platform.machine())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("batch", "free"), [(1, True), (3, False)])
def test_the_runner_computes_what_a_session_does(batch, free, threads, kernels, tmp_path):
    path, expected = network(tmp_path, batch=batch, free=free)
    with running("native", path, "--kernels", kernels, "--seed", 5, "--threads", threads) as started:
        first = started.answer()
        assert len(started.ask("time 3 0")["samples_ns"]) == 3
    arrays = seeded(first["inputs"], 5)
    assert arrays[0].shape == (batch, 13, 11, 3)
    with RuntimeProcess(path) as process:
        outputs = process.run(arrays)
        assert process.describe()[2].endswith(f"with edgecompress kernels ({first['kernels']})")
    assert first["output_hash"] == fnv(outputs) == fnv(expected(arrays[0]))


def test_operators_have_the_names_of_the_file(kernels, tmp_path):
    path, _ = network(tmp_path)
    with running("native", path, "--kernels", kernels) as started:
        started.answer()
        operators = started.ask("operators 3")["operators"]
        assert started.ask("time 1 0")["samples_ns"]  # it goes on
    assert [each["kind"] for each in operators] == [
        "LceQuantize", "LceBconv2d", "LceBMaxPool2d", "LceBconv2d", "LceQuantize", "LceBconv2d", "LceDequantize",
    ]  # fmt: skip
    assert operators[0]["name"] == "tensor1" and [each["node"] for each in operators] == list(range(7))


def test_a_batch_of_records(kernels, tmp_path):
    path, expected = network(tmp_path)
    records = np.random.default_rng(0).normal(size=(4, 1, 13, 11, 3)).astype(np.float32)
    (tmp_path / "in").write_bytes(records.tobytes())
    with running("native", path, "--kernels", kernels) as started:
        started.answer()
        assert started.ask(f"batch\t{tmp_path}/in\t{tmp_path}/out")["records"] == 4
    wanted = b"".join(array.tobytes() for record in records for array in expected(record))
    assert (tmp_path / "out").read_bytes() == wanted


@pytest.mark.parametrize("make", [lambda folder: FACE, quantized_relu], ids=["litert", "onnx"])
def test_kernels_change_nothing_for_files_that_do_not_need_them(make, kernels, tmp_path):
    path, answers = make(tmp_path), []
    for options in ((), ("--kernels", kernels)):
        with running("native", path, *options) as started:
            answers.append(started.answer())
    assert answers[0]["output_hash"] == answers[1]["output_hash"]
    assert "kernels" not in answers[0] and answers[1]["kernels"]


@pytest.mark.skipif(shutil.which(QEMU) is None or not LIBRARIES.is_dir(), reason=f"it takes {QEMU} and {LIBRARIES}")
def test_a_64_bit_arm_computes_the_same(tmp_path):
    path, expected = network(tmp_path)
    library = library_file(library_for("litert", "aarch64", device="emulated"))
    with EmulatedTransport(Address("emulated", "cortex-a76")) as transport:
        words = transport.emulator(build_instruction_counter(platform.machine()), tmp_path / "counts")
        words += [str(build_runner("aarch64")), "--runtime", "litert", "--library", str(library), "--model", str(path)]
        started = transport.converse(
            [*words, "--kernels", str(build_binary_kernels("aarch64")), "--seed", "5"], timeout_s=60
        )
        first = json.loads(started.receive(timeout_s=60))
        started.finish()
    assert first["kernels"] == "neon"
    assert first["output_hash"] == fnv(expected(seeded(first["inputs"], 5)[0]))


def test_refusals(kernels, tmp_path):
    path, _ = network(tmp_path)
    with running("native", path) as started:
        assert "LiteRt" in ends_with(started, "refusal", REFUSED)  # it knows no such operator
    with running("native", path, "--kernels", tmp_path / "missing.so") as started:
        assert "cannot load the kernels: " in ends_with(started, "refusal", REFUSED)
    model = BinaryModel()
    model.quantize(model.input(3, 3, 40))
    path.write_bytes(model.pack(change=lambda model: setattr(model.subgraphs[0].tensors[1], "shape", [1, 3, 3, 1])))
    with running("native", path, "--kernels", kernels) as started:
        assert "operator 0, LceQuantize: its input" in ends_with(started, "refusal", REFUSED)
    with running("native", lying(tmp_path), "--kernels", kernels) as started:
        assert "another shape than the file says" in ends_with(started, "refusal", REFUSED)
    with running("native", tmp_path / "missing.tflite", "--kernels", kernels) as started:
        assert "cannot be read" in ends_with(started, "refusal", REFUSED)
