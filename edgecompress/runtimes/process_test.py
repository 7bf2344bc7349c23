import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edgecompress.child.kept import kept
from edgecompress.errors import EdgeCompressError, ModelFileError, RuntimeRefusal, UnsupportedModelError
from edgecompress.numerics.affine import dequantize, quantize
from edgecompress.runtimes.engines.session import open_session
from edgecompress.runtimes.inputs import example_inputs
from edgecompress.runtimes.process import CHUNK_ROWS, RuntimeProcess
from edgecompress.testing.sample_files import (
    CLASSIFIER,
    FACE,
    TFLITE_FILES,
    endless,
    greedy,
    int8_relu,
    logarithm,
    quantized_relu,
)
from edgecompress.testing.tflite_files import T, build, options
from edgecompress.values import QuantScheme


def children():
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    return {int(pid) for pid in listed.split()}


@pytest.fixture(autouse=True)
def no_child_is_left(kept_children):
    """None but those that are kept for the next test."""
    before = children()
    yield
    idle = {child._process.pid for _, child in kept_children if child._process}
    assert children() <= before | idle


@pytest.mark.parametrize("path", TFLITE_FILES, ids=lambda path: path.stem)
def test_every_tflite_file_gives_what_it_gives_in_process(path):
    session = open_session(path)
    arrays = example_inputs(session.inputs, seed=0)
    session.bind(arrays)
    session.invoke()
    with RuntimeProcess(path) as process:
        assert process.describe() == (session.inputs, session.outputs, session.runtime)
        for here, there in zip(session.read(), process.run(arrays), strict=True):
            assert np.array_equal(here, there)


def test_only_an_onnx_file_runs_as_written(tmp_path):
    with RuntimeProcess(logarithm(tmp_path), as_written=True) as process:
        assert process.run([np.ones((1, 4), np.float32)])[0].tolist() == [[0.0] * 4]
    with pytest.raises(UnsupportedModelError, match="only ONNX Runtime can do that"):
        RuntimeProcess(FACE, as_written=True)


def test_an_onnx_file_with_free_axes_takes_any_length():
    with RuntimeProcess(CLASSIFIER) as process:
        inputs, _, runtime = process.describe()
        assert inputs[0].shape == (-1, 3, -1, -1) and runtime.startswith("ONNX Runtime ")
        for width in (64, 192):
            (scores,) = process.run([np.ones((1, 3, 48, width), np.float32)])
            assert scores.sum() == pytest.approx(1, abs=1e-5)  # a softmax; float32 sums to a few units of 2^-24


@pytest.mark.parametrize("make", [int8_relu, quantized_relu])
def test_a_batch_is_quantized_as_the_input_says(make, tmp_path):
    count = CHUNK_ROWS + 3  # more than one chunk
    images = np.random.default_rng(0).normal(0, 20, (count, 2, 2, 1)).astype(np.float32)
    seen = []
    with RuntimeProcess(make(tmp_path)) as process:
        (spec,), (output,), _ = process.describe()
        stored = process.run_batch(images, on_progress=lambda *progress: seen.append(progress))
    assert np.array_equal(stored, np.maximum(quantize(images, spec), spec.quant.zero_points[0]))
    assert np.array_equal(dequantize(stored, output) > 0, dequantize(quantize(images, spec), spec) > 0)
    assert seen == [("inference", 0, count), ("inference", CHUNK_ROWS, count), ("inference", count, count)]


def test_rows_of_several_inputs_run_one_after_another(tmp_path):
    """More than one chunk of them; each output is what the row alone gives."""
    path = tmp_path / "two.tflite"
    operators = [("ADD", [0, 1], [2], options("AddOptions")), ("SUB", [0, 1], [3], options("SubOptions"))]
    path.write_bytes(build([T([1, 3])] * 4, operators, inputs=[0, 1], outputs=[2, 3]))
    left, right = np.random.default_rng(0).normal(size=(2, CHUNK_ROWS + 1, 3)).astype(np.float32)
    with RuntimeProcess(path) as process:
        np.testing.assert_array_equal(process.run_rows([left, right]), [left + right, left - right])


def test_the_scheme_of_integer_inputs_is_found_in_an_onnx_file(tmp_path):
    with RuntimeProcess(quantized_relu(tmp_path, scale=0.25, zero_point=10)) as process:
        (spec,), (output,), _ = process.describe()
    assert spec.quant == output.quant == QuantScheme((0.25,), (10,)) and spec.shape == (-1, 2, 2, 1)


def test_a_batch_needs_one_input_and_one_output():
    with RuntimeProcess(FACE) as process, pytest.raises(UnsupportedModelError, match="1 inputs and 2 outputs"):
        process.run_batch(np.zeros((1, 128, 128, 3), np.float32))


@pytest.mark.parametrize(("path", "shape"), [(FACE, (1, 128, 128, 3)), (CLASSIFIER, (1, 3, 48, 64))])
def test_a_refused_call_leaves_it_usable(path, shape):
    good = np.zeros(shape, np.float32)
    with RuntimeProcess(path) as process:
        for wrong in ([], [good[0]], [good.astype(np.int8)], [good, good]):
            with pytest.raises(RuntimeRefusal, match=f"refused {path.name}"):
                process.run(wrong)
        assert process.run([good])


def test_too_large_an_input_is_never_sent():
    with RuntimeProcess(FACE) as process:
        huge = np.broadcast_to(np.float32(0), (1, 2**30))
        with pytest.raises(UnsupportedModelError, match="above the limit"):
            process.run([huge])
        assert process.run(example_inputs(process.describe()[0]))


def test_a_file_that_crashes_the_runtime(tmp_path):
    with pytest.raises(RuntimeRefusal, match=r"LiteRT crashed \(SIGSEGV\) on endless.tflite"):
        RuntimeProcess(endless(tmp_path, recursive=True))


def test_a_file_that_hangs_the_runtime(tmp_path):
    with (
        pytest.raises(RuntimeRefusal, match=r"LiteRT gave no answer on endless\.tflite within 1 s"),
        RuntimeProcess(endless(tmp_path), timeout_s=1) as process,
    ):
        process.run(example_inputs(process.describe()[0]))


def test_a_kept_child_runs_one_model_after_another(own_children, tmp_path):
    before = children()
    with kept():
        for path, shape in ((FACE, (1, 128, 128, 3)), (CLASSIFIER, (1, 3, 48, 64)), (FACE, (1, 128, 128, 3))):
            with RuntimeProcess(path) as process:
                used = children() - before
                assert len(used) == 1 and process.run([np.zeros(shape, np.float32)])
            assert children() - before == used, "the next one waits for its model"
        with pytest.raises(RuntimeRefusal, match="refused"):
            RuntimeProcess(cut(FACE, tmp_path))
        assert children() - before == used, "a file that was refused does no harm to the child"
        with pytest.raises(RuntimeRefusal, match="crashed"):
            RuntimeProcess(endless(tmp_path, recursive=True))
        with RuntimeProcess(FACE) as first, RuntimeProcess(CLASSIFIER) as second:
            assert first.describe() != second.describe() and not (children() - before) & used


def cut(path, folder):
    (folder / path.name).write_bytes(path.read_bytes()[:5000])
    return folder / path.name


def test_a_child_killed_from_outside(own_children):
    before = children()
    with RuntimeProcess(FACE) as process:
        (pid,) = children() - before
        os.kill(pid, signal.SIGSEGV)
        with pytest.raises(RuntimeRefusal, match=r"crashed \(SIGSEGV\)"):
            process.run(example_inputs(process.describe()[0]))
        with pytest.raises(RuntimeRefusal, match="crashed"):
            process.run(example_inputs(process.describe()[0]))


def test_a_stopped_child_times_out_even_when_its_pipe_is_full(own_children):
    before = children()
    with RuntimeProcess(FACE) as process:
        (pid,) = children() - before
        os.kill(pid, signal.SIGSTOP)
        process._timeout_s = 0.2  # shorter than loading may take
        with pytest.raises(RuntimeRefusal, match="no answer"):
            process.run([np.zeros((1, 1000, 1000), np.float32)])


def test_memory_has_a_bound(tmp_path):
    physical_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    path = greedy(tmp_path, max(3 * physical_bytes // 4, 3 << 30))
    with RuntimeProcess(path) as process, pytest.raises(RuntimeRefusal, match=r"refused greedy.onnx.*memory"):
        process.run([np.ones(1, np.float32)])


def test_an_answer_has_a_bound(tmp_path):
    with (
        RuntimeProcess(greedy(tmp_path, 300 << 20)) as process,
        pytest.raises(RuntimeRefusal, match="above the limit"),
    ):
        process.run([np.ones(1, np.float32)])


@pytest.mark.parametrize("path", [FACE, CLASSIFIER], ids=lambda path: path.suffix)
def test_damaged_files_are_refused_or_run(path, tmp_path):
    whole = path.read_bytes()
    refused = 0
    for seed in range(20):
        generator = random.Random(seed)
        damaged = bytearray(whole)
        if seed % 2:
            damaged = damaged[: generator.randrange(len(whole))]
        else:
            for _ in range(100):
                damaged[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
        target = tmp_path / f"damaged{path.suffix}"
        target.write_bytes(damaged)
        try:
            with RuntimeProcess(target, timeout_s=20) as process:
                process.run(example_inputs(process.describe()[0]))
        except EdgeCompressError as error:
            refused += isinstance(error, RuntimeRefusal)
            assert "\n" not in error.message and len(error.message) < 600
    assert refused >= 10, "at least every file that was cut"


@pytest.mark.parametrize("name", ["model.h5", "model"])
def test_only_two_kinds_of_file(name, tmp_path):
    (tmp_path / name).touch()
    with pytest.raises(ModelFileError, match=r"ends in \.tflite or \.onnx"):
        RuntimeProcess(tmp_path / name)


def test_a_missing_file(tmp_path):
    with pytest.raises(ModelFileError, match="no file"):
        RuntimeProcess(tmp_path / "model.tflite")


def test_a_file_whose_name_is_awkward(tmp_path):
    path = tmp_path / "it's a $(file) ü\n.tflite"
    path.write_bytes(FACE.read_bytes())
    with RuntimeProcess(path) as process:
        assert process.run(example_inputs(process.describe()[0]))


PARENT = """
import sys, time
from edgecompress.runtimes.inputs import example_inputs
from edgecompress.runtimes.process import RuntimeProcess
with RuntimeProcess(sys.argv[1]) as process:
    inputs = example_inputs(process.describe()[0])
    print("ready", flush=True)
    if sys.argv[2] == "busy":
        process.run(inputs)
    time.sleep(60)
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=lambda end: end.name)
@pytest.mark.parametrize("occupation", ["busy", "idle"])
def test_a_child_does_not_outlive_its_parent(occupation, end, tmp_path):
    command = [sys.executable, "-c", PARENT, str(endless(tmp_path)), occupation]
    heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731 - in the background of a shell it is ignored
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=heed) as parent:
        assert parent.stdout.readline() == b"ready\n"
        (child,) = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        wait_until(lambda: state(child) == ("R" if occupation == "busy" else "S"))
        parent.send_signal(end)
        parent.wait()
    wait_until(lambda: state(child) == "Z")


def wait_until(condition):
    deadline = time.monotonic() + 20  # far below the 60 s that the parent would go on for
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def state(pid):
    """Its letter in /proc; a process that is gone counts as a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ")[1][0]
    except FileNotFoundError:
        return "Z"
