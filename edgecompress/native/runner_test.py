"""Both runners, in C and in Python, against real files in both runtimes: they take the same requests, and agree."""

import json
import os
import platform
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgecompress.native.build import MACHINES
from edgecompress.native.libraries import library_file, library_for
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.testing.runners import CRASHED, ENDS_WITHIN_S, REFUSED, RUNNERS, running, words
from edgecompress.testing.sample_files import (
    FACE,
    TFLITE_FILES,
    endless,
    fixed_classifier,
    greedy,
    int8_relu,
    logarithm,
    partly_delegated,
    quantized_relu,
    write_onnx,
)

pytestmark = pytest.mark.skipif(platform.machine() not in MACHINES, reason=f"no runner for {platform.machine()}")


def noise(seed, position, count):
    """splitmix64 in Python's own integers (Steele, Lea & Flood 2014)."""
    mask, values = (1 << 64) - 1, []
    for index in range(position, position + count):
        z = (seed + (index + 1) * 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        values.append(z ^ (z >> 31))
    return np.array(values, np.uint64)


def seeded(inputs, seed):
    """The arrays that a runner feeds, from what it says of its inputs."""
    arrays, position = [], 0
    for each in inputs:
        dtype, count = np.dtype(each["dtype"]), int(np.prod(each["shape"]))
        values = noise(seed, position, count)
        position += count
        if dtype == np.float32:
            made = (values >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)
        elif dtype == np.bool_:
            made = (values >> np.uint64(63)).astype(np.bool_)
        elif dtype.kind in "iu" and dtype.itemsize <= 2:
            made = (values >> np.uint64(64 - 8 * dtype.itemsize)).astype(f"u{dtype.itemsize}").view(dtype)
        else:
            made = np.zeros(count, dtype)
        arrays.append(made.reshape(each["shape"]))
    return arrays


def fnv(arrays):
    value = 14695981039346656037
    for byte in b"".join(array.tobytes() for array in arrays):
        value = ((value ^ byte) * 1099511628211) % (1 << 64)
    return f"{value:016x}"


def many_types(folder):
    """Every kind of noise in one model, each input its own output; a batch that is free."""
    kinds = {"a": "FLOAT", "b": "UINT8", "c": "INT16", "d": "BOOL", "e": "INT64", "f": "INT8", "g": "FLOAT16"}
    shape = ["n", 3]
    ins = [helper.make_tensor_value_info(name, getattr(TensorProto, kind), shape) for name, kind in kinds.items()]
    outs = [helper.make_tensor_value_info(f"{n} \"'\\", getattr(TensorProto, kind), shape) for n, kind in kinds.items()]
    nodes = [helper.make_node("Identity", [name], [f"{name} \"'\\"]) for name in kinds]
    return write_onnx(Path(folder) / "many.onnx", nodes, ins, outs)


COUNTERS = ("waited_ns", "preempted", "busy_ns", "stolen_ns")
MODELS = {
    "face": lambda folder: FACE,
    "classifier": fixed_classifier,
    "int8_relu": int8_relu,
    "partly_delegated": partly_delegated,
    "quantized_relu": quantized_relu,
    "many_types": many_types,
}


@pytest.fixture(params=RUNNERS)
def runner(request):
    return request.param


@pytest.fixture(params=["litert", "onnx"])
def model(request, tmp_path):
    return FACE if request.param == "litert" else fixed_classifier(tmp_path)


@pytest.fixture
def small(model, tmp_path):
    """One of the same runtime that takes microseconds."""
    return int8_relu(tmp_path) if model.suffix == ".tflite" else logarithm(tmp_path)


@pytest.mark.parametrize("name", MODELS)
def test_the_first_answer_and_the_hash_of_the_outputs(name, runner, tmp_path):
    path = MODELS[name](tmp_path)
    with running(runner, path, "--seed", 11) as started:
        first = started.answer()
    times = ("library_ns", "load_ns", "compile_ns", "first_ns")
    others = ("version", "model_memory_bytes", "cores", "output_hash", "inputs", "outputs")
    assert first.keys() == {*times, *others, *COUNTERS}
    assert min(first["load_ns"], first["first_ns"], first["model_memory_bytes"]) > 0
    assert min(first[key] for key in times) >= 0
    assert first["cores"] == sum(1 << core for core in os.sched_getaffinity(0) if core < 64)
    with RuntimeProcess(path) as process:
        inputs, outputs, runtime = process.describe()
        expected = process.run(seeded(first["inputs"], 11))
    assert [(each["name"], each["dtype"]) for each in first["inputs"]] == [(each.name, each.dtype) for each in inputs]
    assert [(each["name"], each["dtype"]) for each in first["outputs"]] == [(each.name, each.dtype) for each in outputs]
    assert [tuple(each["shape"]) for each in first["outputs"]] == [array.shape for array in expected]
    assert first["output_hash"] == fnv(expected)
    assert not first["version"] or runtime.endswith(first["version"])


@pytest.mark.parametrize("path", TFLITE_FILES[::3], ids=lambda path: path.stem)
def test_the_runners_agree_and_the_seed_counts(path):
    hashes = {}
    for runner in RUNNERS:
        for seed in (0, 1, (1 << 64) - 1):
            with running(runner, path, "--seed", seed) as started:
                hashes[runner, seed] = started.answer()["output_hash"]
    for seed in (0, 1, (1 << 64) - 1):
        assert hashes["native", seed] == hashes["python", seed]
    assert len(set(hashes.values())) == 3


def test_times_and_the_report(small, runner):
    with running(runner, small) as started:
        first = started.answer()
        blocks = [started.ask("time 5 0"), started.ask("time 1 0.02"), started.ask("time 1 0")]
        thinned = started.ask("time 50 0 7")
        report = started.ask("report")
    assert [len(block["samples_ns"]) for block in blocks[::2]] == [5, 1]
    assert all(block["inferences"] == len(block["samples_ns"]) for block in blocks)
    assert thinned["inferences"] == 50 and len(thinned["samples_ns"]) == 7  # each eighth
    assert len(blocks[1]["samples_ns"]) > 5  # microseconds each
    assert sum(blocks[1]["samples_ns"]) >= 0.02e9
    assert min(sample for block in blocks for sample in block["samples_ns"]) > 0
    assert "samples_ns" not in report  # they would grow without end
    assert report["cpu_ns"] >= sum(block["cpu_ns"] for block in blocks) > 0
    assert report["peak_memory_bytes"] > first["model_memory_bytes"]
    starts = [block["start_ns"] for block in blocks]
    assert starts == sorted(starts) and blocks[0]["cores"] == first["cores"]


def test_operators_of_litert(tmp_path):
    with running("native", partly_delegated(tmp_path)) as started:
        started.answer()
        operators = started.ask("operators 3")["operators"]
        assert started.ask("time 2 0")["samples_ns"]  # it goes on
    assert [(each["name"], each["node"]) for each in operators] == [("", -1), ("accumulated", 1), ("", -1)]
    assert operators[1]["kind"] == "CUMSUM" and [len(each["elapsed_us"]) for each in operators] == [3, 3, 3]
    with running("python", partly_delegated(tmp_path)) as started:
        started.answer()
        answer = started.ask("operators 3")
    assert answer["operators"] == [] and "does not tell" in answer["note"]


def test_operators_of_onnx_runtime(runner, tmp_path):
    before = set(Path.cwd().iterdir())
    with running(runner, quantized_relu(tmp_path)) as started:
        started.answer()
        answer = started.ask("operators 4")
        assert started.ask("time 2 0")["samples_ns"]
    runs = answer["warm_up"] + 4
    names = [event["args"]["op_name"] for event in answer["trace"] if event["name"].endswith("_kernel_time")]
    assert sorted(names) == ["DequantizeLinear"] * runs + ["QuantizeLinear"] * runs + ["Relu"] * runs
    assert set(Path.cwd().iterdir()) == before  # the trace's file is gone


def records(path, count):
    """Records of noise for a model, and the specs of its inputs."""
    with running("native", path) as started:
        inputs = started.answer()["inputs"]
    return [seeded(inputs, seed) for seed in range(count)]


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_is_its_records_one_by_one(name, runner, tmp_path):
    path, count = MODELS[name](tmp_path), 3
    fed = records(path, count)
    (tmp_path / "in").write_bytes(b"".join(array.tobytes() for record in fed for array in record))
    with running(runner, path) as started:
        started.answer()
        answer = started.ask(f"batch\t{tmp_path}/in\t{tmp_path}/out")
        assert started.ask("time 1 0")["samples_ns"]
    with RuntimeProcess(path) as process:
        expected = [process.run(record) for record in fed]
    assert (tmp_path / "out").read_bytes() == b"".join(array.tobytes() for outputs in expected for array in outputs)
    assert answer["records"] == count
    assert [tuple(each["shape"]) for each in answer["outputs"]] == [array.shape for array in expected[0]]


def test_inputs_from_a_file_are_what_is_run(model, runner, tmp_path):
    (record,) = records(model, 1)
    (tmp_path / "in").write_bytes(b"".join(array.tobytes() for array in record))
    with running(runner, model, "--seed", 5, "--inputs", tmp_path / "in") as started:
        from_file = started.answer()["output_hash"]
    with running(runner, model, "--seed", 0) as started:
        assert started.answer()["output_hash"] == from_file


def ends_with(started, key, status):
    """One line that says why, not the start of an answer, and nothing after it."""
    answer = json.loads(started.receive(timeout_s=60))
    assert answer.keys() == {key} and answer[key]
    if key == "refusal":  # the worker may have been stopped before it could leave, and then waits for the end
        started.close_input()
    assert started.receive(timeout_s=ENDS_WITHIN_S) is None
    assert started.status() in ({status, 0} if key == "refusal" else {status})
    return answer[key]


def refuses_or_crashes(started):
    line = json.loads(started.receive(timeout_s=60))
    assert line.keys() in ({"refusal"}, {"crash"})
    started.close_input()
    assert started.receive(timeout_s=ENDS_WITHIN_S) is None


def test_files_that_are_no_models_are_refused(small, runner, tmp_path):
    data = small.read_bytes()
    for index, content in enumerate((b"", b"no model", data[: len(data) // 2], bytes(len(data)))):
        damaged = tmp_path / f"damaged{index}{small.suffix}"
        damaged.write_bytes(content)
        with running(runner, damaged) as started:
            refuses_or_crashes(started)
    with running(runner, tmp_path / f"missing{small.suffix}") as started:
        ends_with(started, "refusal", REFUSED)


def test_a_crash_is_told_with_its_signal(runner, tmp_path):
    with running(runner, endless(tmp_path, recursive=True)) as started:
        assert ends_with(started, "crash", CRASHED) == signal.strsignal(signal.SIGSEGV)


def test_a_model_that_wants_all_memory_is_refused_or_crashes(runner, tmp_path):
    with running(runner, greedy(tmp_path, 1 << 50)) as started:
        refuses_or_crashes(started)


def test_a_model_with_a_free_axis_is_refused_by_its_name(runner, tmp_path):
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, "free"]) for name in ("x", "y"))
    path = write_onnx(tmp_path / "free.onnx", [helper.make_node("Relu", ["x"], ["y"])], [x], [y])
    with running(runner, path) as started:
        assert ends_with(started, "refusal", REFUSED) == (
            "x has the shape 1x?, of which only the first axis may be free: give --shape 'x=1xN'"
        )


def test_inputs_that_are_missing_or_empty_are_refused(small, runner, tmp_path):
    (tmp_path / "empty").touch()
    for name in ("missing", "empty"):
        with running(runner, small, "--inputs", tmp_path / name) as started:
            ends_with(started, "refusal", REFUSED)
    with running(runner, small) as started:
        started.answer()
        started.send(f"batch\t{tmp_path}/missing\t{tmp_path}/out")
        ends_with(started, "refusal", REFUSED)
    with running(runner, small) as started:
        started.answer()
        assert started.ask(f"batch\t{tmp_path}/empty\t{tmp_path}/out")["records"] == 0
    assert (tmp_path / "out").read_bytes() == b""


def test_a_record_that_ends_within_its_second_input_is_refused(runner, tmp_path):
    path = many_types(tmp_path)
    (record,) = records(path, 1)
    (tmp_path / "in").write_bytes(b"".join(array.tobytes() for array in record)[:-1])
    with running(runner, path) as started:
        started.answer()
        started.send(f"batch\t{tmp_path}/in\t{tmp_path}/out")
        assert "middle of a record" in ends_with(started, "refusal", REFUSED)
    with running(runner, path, "--inputs", tmp_path / "in") as started:
        assert "middle of a record" in ends_with(started, "refusal", REFUSED)


def test_outputs_that_cannot_be_written_are_refused(small, runner, tmp_path):
    (record,) = records(small, 1)
    (tmp_path / "in").write_bytes(record[0].tobytes())
    with running(runner, small) as started:
        started.answer()
        started.send(f"batch\t{tmp_path}/in\t{tmp_path}/no_such_folder/out")
        ends_with(started, "refusal", REFUSED)


@pytest.mark.parametrize("request_line", ["", "nonsense", "time one 2", "batch one", "\x00\xff"])
def test_requests_that_do_not_exist_are_refused(request_line, small, runner):
    with running(runner, small) as started:
        started.answer()
        started.send(request_line)
        ends_with(started, "refusal", REFUSED)


@pytest.mark.parametrize("core", sorted(os.sched_getaffinity(0))[-1:])
def test_cores_are_kept_to_by_every_thread(core, model, runner):
    mask = 1 << core
    with running(runner, model, "--cores", f"{mask:x}", "--threads", 2) as started:
        first = started.answer()
        assert first["cores"] == mask == started.ask("time 1 0")["cores"]
        tasks = Path(f"/proc/{started.worker_pid}/task").iterdir()
        allowed = [line for task in tasks for line in (task / "status").read_text().splitlines() if "allowed:" in line]
    masks = {int(line.split()[1].replace(",", ""), 16) for line in allowed if line.startswith("Cpus_")}
    assert masks == {mask}


def test_cores_that_do_not_exist_are_refused(small, runner):
    missing = 1 << 62
    assert 62 not in os.sched_getaffinity(0)
    with running(runner, small, "--cores", f"{missing:x}") as started:
        ends_with(started, "refusal", REFUSED)
    with running("native", small, "--cores", f"{missing | 1:x}") as started:  # one of two is not enough
        assert "0x4000000000000001 cannot be had" in ends_with(started, "refusal", REFUSED)


def test_a_runtime_that_is_none_is_refused(small, tmp_path):
    (tmp_path / "library.so").write_bytes(b"no library")
    command = words("native", small)
    command[2] = str(tmp_path / "library.so")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert "cannot load the runtime" in json.loads(child.stdout.readline())["refusal"]
    other = library_for("onnx" if small.suffix == ".tflite" else "litert", platform.machine(), device="local")
    command[2] = str(library_file(other))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert "it is another version" in json.loads(child.stdout.readline())["refusal"]
