import tempfile

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgecompress.devices.ways.local import LocalTransport
from edgecompress.errors import DeviceError, RuntimeRefusal, UnsupportedModelError
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.runner.outputs import MAX_OUTPUT_BYTES, _split, outputs_on
from edgecompress.profiling.runner.session import RunnerSession, RunnerTensor
from edgecompress.runtimes.inputs import example_inputs
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.testing.sample_files import (
    FACE,
    fixed_classifier,
    int8_relu,
    partly_delegated,
    quantized_relu,
    write_onnx,
)

RECORDS = 3


def two_by_two(folder):
    """Two inputs of different types and two outputs of different shapes."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    n = helper.make_tensor_value_info("n", TensorProto.INT64, [2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 2])
    m = helper.make_tensor_value_info("m", TensorProto.INT64, [2])
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"]), helper.make_node("Neg", ["n"], ["m"])]
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [2, 2])
    return write_onnx(folder / "two.onnx", nodes, [x, n], [y, m], [shape])


def on_device(path, records, runner="native"):
    with Bench(LocalTransport(), Plan(runner=runner)) as bench:
        return outputs_on(bench, path, records)


def agree(path, runner="native"):
    """The device's outputs are those of the process here, element by element: both are the same library."""
    with RuntimeProcess(path) as process:
        inputs, outputs, _ = process.describe()
        records = [example_inputs(inputs, seed=seed) for seed in range(1, 1 + RECORDS)]
        expected = [process.run(record) for record in records]
    found = on_device(path, records, runner)
    assert len(found) == len(outputs)
    for index, array in enumerate(found):
        wanted = np.stack([each[index] for each in expected])
        assert array.dtype == wanted.dtype and array.shape == wanted.shape
        np.testing.assert_array_equal(array, wanted)


@pytest.mark.parametrize("runner", ["native", "python"])
@pytest.mark.parametrize("make", [int8_relu, partly_delegated, quantized_relu, fixed_classifier, two_by_two])
def test_outputs_are_those_of_this_machine(make, runner, tmp_path):
    agree(make(tmp_path), runner)


def test_a_detector_with_several_outputs():
    agree(FACE)


def test_a_folder_with_a_space(tmp_path, monkeypatch):
    folder = tmp_path / "a folder $(touch gone); 'q'"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    agree(int8_relu(folder))
    assert [path.name for path in folder.iterdir()] == ["relu.tflite"]


def test_a_record_of_another_size_is_refused(tmp_path):
    with pytest.raises((DeviceError, RuntimeRefusal)):
        on_device(partly_delegated(tmp_path), [[np.zeros((1, 4095), np.float32)]])


TENSORS = (RunnerTensor("a", "float32", (1, 3)), RunnerTensor("b", "int8", (2,)))


def made(path, records):
    path.write_bytes(b"".join(a.tobytes() + b.tobytes() for a, b in records))
    return path


def test_records_are_taken_apart(tmp_path):
    records = [(np.array([[i, -i, 0.5]], np.float32), np.array([i, -128], np.int8)) for i in range(5)]
    first, second = _split(made(tmp_path / "outputs", records), TENSORS, 5, "board")
    np.testing.assert_array_equal(first, np.stack([a for a, _ in records]))
    np.testing.assert_array_equal(second, np.stack([b for _, b in records]))
    assert (first.dtype, second.dtype) == (np.float32, np.int8)


@pytest.mark.parametrize("size_bytes", [0, 13, 27, 29])
def test_a_file_of_another_size_is_refused(size_bytes, tmp_path):
    (tmp_path / "outputs").write_bytes(bytes(size_bytes))
    with pytest.raises(UnsupportedModelError, match=f"^The outputs from board take {size_bytes} bytes instead of 28:"):
        _split(tmp_path / "outputs", TENSORS, 2, "board")


@pytest.mark.parametrize("shape", [(MAX_OUTPUT_BYTES,), (2**32, 2**32), (-1, 4)])
def test_a_size_that_cannot_be_is_refused_before_anything_is_read(shape, tmp_path):
    with pytest.raises(DeviceError, match=r"^The outputs from board are of a size that cannot be\.$"):
        _split(tmp_path / "missing", (RunnerTensor("a", "float32", shape),), 2, "board")


def test_a_device_that_ran_less_than_it_was_given(tmp_path, monkeypatch):
    """Its last record is lost on the way."""
    path = int8_relu(tmp_path)
    original = RunnerSession.run_batch
    monkeypatch.setattr(RunnerSession, "run_batch", lambda *words, **options: (1, original(*words, **options)[1]))
    with pytest.raises(DeviceError, match=r"^local ran 1 of 2 inputs\.$"):
        on_device(path, [[np.zeros((1, 2, 2, 1), np.int8)]] * 2)
