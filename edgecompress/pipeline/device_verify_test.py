import tempfile
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper

from edgecompress.data import load
from edgecompress.errors import DataError, DeviceError, ModelFileError, UnsupportedModelError
from edgecompress.pipeline.device_verify import verify_files
from edgecompress.runtimes.sample_files_test import (
    graph,
    int8_relu,
    operator,
    partly_delegated,
    tensor,
    write_onnx,
    write_tflite,
)

IMAGES = 40


@pytest.fixture(autouse=True)
def on_our_own(monkeypatch):
    """No configuration of the user's, and locks that nobody else on this machine takes."""
    monkeypatch.setenv("EDGECOMPRESS_SSH_CONFIG", "/dev/null")
    with tempfile.TemporaryDirectory() as folder:  # not pytest's, whose name is too long for ssh's socket
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield
        monkeypatch.undo()


def templates():
    """The mean image of each digit as weights, and a bias, so that the highest score is the nearest mean."""
    train = load("digits").train
    pixels = train.images.reshape(-1, 64) / np.float32(127.5) - 1
    means = np.stack([pixels[train.labels == digit].mean(0) for digit in range(10)])
    return means.astype(np.float32), (-0.5 * (means**2).sum(1)).astype(np.float32)


def tflite_classifier(folder):
    weights, bias = templates()
    tensors = [tensor("image", (1, 8, 8, 1)), tensor("w", (10, 64), buffer=1), tensor("b", (10,), buffer=2)]
    dense = operator(0, [0, 1, 2], [3], schema.FullyConnectedOptionsT(), schema.BuiltinOptions.FullyConnectedOptions)
    whole = graph([*tensors, tensor("scores", (1, 10))], [0], [3], [dense])
    codes, buffers = [schema.BuiltinOperator.FULLY_CONNECTED], [weights.tobytes(), bias.tobytes()]
    return write_tflite(Path(folder) / "digits.tflite", [whole], codes, buffers)


def onnx_classifier(folder):
    weights, bias = templates()
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 8, 8, 1])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 10])
    nodes = [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("Gemm", ["flat", "w", "b"], ["scores"])]
    constants = [
        helper.make_tensor("w", TensorProto.FLOAT, [64, 10], weights.T.ravel()),
        helper.make_tensor("b", TensorProto.FLOAT, [10], bias),
    ]
    return write_onnx(Path(folder) / "digits.onnx", nodes, [image], [scores], constants)


def two_inputs(folder):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8, 8, 1]) for name in "xyz"]
    return write_onnx(Path(folder) / "two.onnx", [helper.make_node("Add", ["x", "y"], ["z"])], values[:2], values[2:])


def verify(*paths, data=f"digits:{IMAGES}", devices=("local",), **options):
    return verify_files(paths, devices=devices, data=data, **options)


def test_a_classifier_computes_the_same_and_is_right(tmp_path):
    paths, steps = [tflite_classifier(tmp_path), onnx_classifier(tmp_path)], []
    found, failures = verify(*paths, on_progress=lambda *step: steps.append(step))
    assert failures == [] and [each.artifact for each in found] == [str(path) for path in paths]
    for each in found:
        assert (each.device, each.images) == ("local", IMAGES)
        # the same library on the same processor
        assert (each.equal_outputs, each.equal_argmax, each.largest_difference) == (100, 100, 0)
        assert each.step == 0 and each.accuracy.samples == IMAGES and each.accuracy.percent > 75
    assert found[0].accuracy == found[1].accuracy
    assert steps[-1] == ("verifying on local", 2, 2)


def test_quantized_outputs_have_a_step(tmp_path):
    ((found,), _) = verify(int8_relu(tmp_path, scale=0.5))
    assert (found.equal_outputs, found.step, found.largest_steps) == (100, 0.5, 0)


@pytest.mark.parametrize(("data", "limit", "images"), [("digits:7", 0, 7), ("digits:7", 3, 3), ("digits", 0, 200)])
def test_how_many_images(data, limit, images, tmp_path):
    ((found,), _) = verify(tflite_classifier(tmp_path), data=data, limit=limit)
    assert found.images == found.accuracy.samples == images


def test_without_data_there_is_a_hint(tmp_path):
    with pytest.raises(DataError, match=r"^Images are needed to compare outputs\. Name them: `--data "):
        verify(tflite_classifier(tmp_path), data="")


@pytest.mark.parametrize("data", ["digtis", "digtis:20", "digits:", "digits:many"])
def test_data_that_is_not_there_is_named(data, tmp_path):
    with pytest.raises(DataError, match=data.partition(":")[0]):
        verify(tflite_classifier(tmp_path), data=data)


@pytest.mark.parametrize(
    ("make", "error", "reason"),
    [
        (two_inputs, UnsupportedModelError, r"^two\.onnx has 2 inputs and 1 outputs; images need one of each\.$"),
        (partly_delegated, UnsupportedModelError, r"^partly\.tflite takes an input of shape \(.*\), which is no image"),
        (lambda folder: folder / "gone.tflite", ModelFileError, r"^There is no file .*gone\.tflite\.$"),
        (lambda folder: folder / "model.h5", ModelFileError, r"^model\.h5 cannot be run: "),
    ],
)
def test_files_that_images_do_not_fit(make, error, reason, tmp_path):
    with pytest.raises(error, match=reason):
        verify(make(tmp_path))


def test_a_device_that_is_none_or_comes_twice(tmp_path):
    with pytest.raises(DeviceError, match=r"^'nonsense' is no device"):
        verify(tflite_classifier(tmp_path), devices=["nonsense"])
    with pytest.raises(DeviceError, match=r"^local is named twice"):
        verify(tflite_classifier(tmp_path), devices=["local", "local"])


def test_a_device_that_fails_leaves_the_other_s_result(tmp_path):
    found, failures = verify(tflite_classifier(tmp_path), devices=["ssh:nobody@127.0.0.1:1", "local"])
    assert [each.device for each in found] == ["local"]
    assert [(each.device, "refuses connections" in each.message) for each in failures] == [
        ("ssh:nobody@127.0.0.1:1", True)
    ]
