import json
import platform
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper

from edgecompress.convert.embedded import METADATA_KEY
from edgecompress.data import load
from edgecompress.devices.ways.emulated import LIBRARIES, QEMU
from edgecompress.devices.ways.emulated_test import CAN_EMULATE
from edgecompress.errors import DataError, DeviceError, ModelFileError, RuntimeRefusal, UnsupportedModelError
from edgecompress.native.build import MACHINES
from edgecompress.pipeline.on_devices import verify as device_verify
from edgecompress.pipeline.on_devices.verify import verify_files
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.runner.outputs import outputs_on
from edgecompress.storage import to_json
from edgecompress.testing.binary_files import network
from edgecompress.testing.sample_files import (
    INT8,
    INT32,
    graph,
    int8_relu,
    operator,
    partly_delegated,
    tensor,
    write_onnx,
    write_tflite,
)
from edgecompress.values import Preprocessing

IMAGES = 40


@pytest.fixture(autouse=True)
def on_our_own(tmp_path, monkeypatch):  # pytest's folder is there before tempfile is led elsewhere
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


def int8_classifier(folder, *, float_doors=False):
    """The same in int8, and with `float_doors` between a QUANTIZE and a DEQUANTIZE, as converters make it."""
    weights, bias = templates()
    pixel, weight, score = 1 / 127, float(np.abs(weights).max()) / 127, 0.5
    stored = np.rint(weights / weight).astype(np.int8)
    sums = np.rint(bias / (pixel * weight)).astype(np.int32)
    tensors = [
        tensor("image", (1, 8, 8, 1), INT8, scale=pixel),
        tensor("w", (10, 64), INT8, scale=weight, buffer=1),
        tensor("b", (10,), INT32, scale=pixel * weight, buffer=2),
        tensor("scores", (1, 10), INT8, scale=score),
    ]
    options = (schema.FullyConnectedOptionsT(), schema.BuiltinOptions.FullyConnectedOptions)
    operators, inputs, outputs = [operator(0, [0, 1, 2], [3], *options)], [0], [3]
    codes = [schema.BuiltinOperator.FULLY_CONNECTED]
    if float_doors:
        tensors += [tensor("real_image", (1, 8, 8, 1)), tensor("real_scores", (1, 10))]
        operators = [operator(1, [4], [0]), *operators, operator(2, [3], [5])]
        codes += [schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.DEQUANTIZE]
        inputs, outputs = [4], [5]
    whole = graph(tensors, inputs, outputs, operators)
    return write_tflite(Path(folder) / "int8.tflite", [whole], codes, [stored.tobytes(), sums.tobytes()])


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


def verify(*paths, data=f"digits:{IMAGES}", devices=("local",), input_range=(-1, 1), **options):
    return verify_files(paths, devices=devices, data=data, input_range=input_range, **options)


def test_a_classifier_computes_the_same_and_is_right(tmp_path):
    paths, steps = [tflite_classifier(tmp_path), onnx_classifier(tmp_path)], []
    found, failures = verify(*paths, on_progress=lambda *step: steps.append(step))
    assert failures == [] and [each.artifact for each in found] == [str(path) for path in paths]
    for each in found:
        assert (each.device, each.images) == ("local", IMAGES)
        # the same library on the same processor
        assert (each.equal_outputs, each.equal_argmax, each.largest_difference) == (100, 100, 0)
        assert each.step == 0 and each.accuracy.samples == IMAGES and each.accuracy.percent > 75
        assert each.drop.points == 0 and not each.drop.told and not each.garbage
    assert found[0].accuracy == found[1].accuracy
    assert steps[-1] == ("verifying on local", 2, 2)


def test_quantized_outputs_have_a_step(tmp_path):
    ((found,), _) = verify(int8_relu(tmp_path, scale=0.5))
    assert (found.equal_outputs, found.step, found.largest_steps) == (100, 0.5, 0)
    # Four numbers are no scores of ten classes.
    assert found.accuracy is found.drop is None
    assert found.assumed.endswith("; it has 4 outputs and digits 10 classes, so that none is right or wrong")


@pytest.mark.parametrize(("labels", "scored"), [(tuple("0123456789"), True), ((), True), (tuple("abcdefghij"), False)])
def test_a_file_of_other_classes_is_not_scored(labels, scored, tmp_path):
    path = onnx_classifier(tmp_path)
    made = onnx.load(path)
    value = {"target": "onnx:float32", "preprocessing": json.loads(to_json(Preprocessing(8, 8, 1, labels=labels)))}
    made.metadata_props.add(key=METADATA_KEY, value=json.dumps(value))
    onnx.save(made, path)
    ((found,), _) = verify(path, input_range=None)
    assert (found.accuracy is not None) == (found.drop is not None) == scored
    assert ("has other classes and digits 10 classes" in found.assumed) != scored


@pytest.mark.parametrize(("data", "limit", "images"), [("digits:7", 0, 7), ("digits:7", 3, 3), ("digits", 0, 200)])
def test_how_many_images(data, limit, images, tmp_path):
    ((found,), _) = verify(tflite_classifier(tmp_path), data=data, limit=limit)
    assert found.images == found.accuracy.samples == images


def test_without_data_inputs_are_random_and_without_accuracy(tmp_path):
    (found, again), _ = verify(tflite_classifier(tmp_path), two_inputs(tmp_path), data="", limit=30)
    assert (found.images, again.images) == (30, 30) and found.accuracy is found.drop is None
    assert (found.equal_outputs, again.equal_outputs) == (100, 100)
    assert found.assumed == "random inputs: image -1 to 1, as you said"
    assert again.assumed == "random inputs: x -1 to 1, as you said; y -1 to 1, as you said"


def test_the_families_of_kernels_are_compared_with_the_usual_one(tmp_path):
    """This machine's runtime is all that takes part, so that nothing is measured elsewhere."""
    paths = [int8_classifier(tmp_path), tflite_classifier(tmp_path), onnx_classifier(tmp_path)]
    found, failures = verify(*paths, devices=(), kernels=("xnnpack", "builtin", "reference"))
    assert failures == []
    assert [(Path(each.artifact).name, each.device) for each in found] == [
        (name, f"local, {family} kernels")
        for family in ("builtin", "reference")
        for name in ("int8.tflite", "digits.tflite")
    ]
    for each in found:
        # A float sum of 64 products of up to 1 in another order is off by less than 64 * 2^-24 * 64.
        assert each.largest_steps <= 1 if each.step else each.largest_difference < 64 * 64 * 2**-24
        assert each.equal_argmax == 100 and not each.garbage


def test_a_file_that_another_family_cannot_run_costs_only_itself(tmp_path):
    binary = network(tmp_path)[0]
    found, failures = verify(binary, int8_classifier(tmp_path), data="", limit=3, devices=(), kernels=("builtin",))
    assert [Path(each.artifact).name for each in found] == ["int8.tflite"]
    (failure,) = failures
    assert failure.device == "local, builtin kernels"
    assert failure.message.startswith(f"{Path(binary).name} cannot be run by builtin kernels: they are LiteRT's, ")


@pytest.mark.skipif(not CAN_EMULATE, reason=f"it takes {QEMU} and {LIBRARIES}")
@pytest.mark.skipif(platform.machine() not in MACHINES, reason=f"no plugin is built for {platform.machine()}")
def test_the_greatest_emulated_processor_computes_int8_rightly(tmp_path):
    """QEMU 7.2 computes LiteRT's int8 kernels for Arm's matrix extension wrongly: `emulated:max` is without it."""
    ((found,), failures) = verify(int8_classifier(tmp_path), devices=["emulated:max"], input_range=None)
    assert failures == [] and (found.equal_outputs, found.step) == (100, 0.5)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda scores: np.zeros_like(scores), "times the power of the outputs"),
        (lambda scores: np.roll(scores, 3, axis=-1), "times the power of the outputs"),
        (lambda scores: np.where(scores > 0, np.nan, scores), "not finite"),
    ],
)
def test_garbage_from_a_device_is_a_failure(spoil, reason, tmp_path, monkeypatch):
    """The device is this machine; what it says is spoilt on the way."""

    def spoilt(*arguments):
        return [spoil(each).astype(each.dtype) for each in outputs_on(*arguments)]

    monkeypatch.setattr(device_verify, "outputs_on", spoilt)
    ((found,), (failure,)) = verify(tflite_classifier(tmp_path))
    assert reason in found.garbage and failure.device == "local"
    assert failure.message == f"local computes garbage for {found.artifact}: {found.garbage}."


@pytest.mark.parametrize("data", ["digtis", "digtis:20", "digits:", "digits:many"])
def test_data_that_is_not_there_is_named(data, tmp_path):
    with pytest.raises(DataError, match=data.partition(":")[0]):
        verify(tflite_classifier(tmp_path), data=data)


@pytest.mark.parametrize(
    ("make", "error", "reason"),
    [
        (
            two_inputs,
            UnsupportedModelError,
            r"^two\.onnx has 2 inputs; images are for one\. Leave out",
        ),
        (partly_delegated, UnsupportedModelError, r"^partly\.tflite takes an input of shape \(.*\), which is no image"),
        (lambda folder: folder / "gone.tflite", ModelFileError, r"^There is no file .*gone\.tflite\.$"),
        (lambda folder: folder / "model.h5", ModelFileError, r"^model\.h5 cannot be run: "),
    ],
)
def test_files_that_images_do_not_fit(make, error, reason, tmp_path):
    with pytest.raises(error, match=reason):
        verify(make(tmp_path))


def broken(folder):
    path = folder / "broken.tflite"
    path.write_bytes(b"\x18\0\0\0TFL3" + bytes(40))
    return path


@pytest.mark.parametrize("data", ["digits:5", ""])
def test_a_file_that_fails_here_costs_only_itself(data, tmp_path):
    good = [tflite_classifier(tmp_path), int8_classifier(tmp_path)]
    bad = [broken(tmp_path), tmp_path / "gone.tflite", tmp_path / "model.h5"] + ([two_inputs(tmp_path)] if data else [])
    found, failures = verify(good[0], *bad, good[1], data=data, limit=5)
    assert [(each.artifact, each.equal_outputs) for each in found] == [(str(path), 100) for path in good]
    assert [(each.device, each.artifact) for each in failures] == [("local", str(path)) for path in bad]
    assert all(path.name in each.message for path, each in zip(bad, failures, strict=True))
    assert [each.artifact for each in verify(*bad, data=data)[1]] == [str(path) for path in bad]


def losing(monkeypatch, lost, error):
    """A device on which the files `lost` raise `error`."""

    def outputs(bench, path, records):
        if path in lost:
            raise error
        return outputs_on(bench, path, records)

    monkeypatch.setattr(device_verify, "outputs_on", outputs)


@pytest.mark.parametrize("error", [RuntimeRefusal("refused"), UnsupportedModelError("no"), DeviceError("no answer")])
def test_a_file_that_fails_on_a_device_costs_only_itself(error, tmp_path, monkeypatch):
    paths = [tflite_classifier(tmp_path), onnx_classifier(tmp_path), int8_classifier(tmp_path)]
    losing(monkeypatch, paths[1:2], error)
    found, (failure,) = verify(*paths)
    assert [each.artifact for each in found] == [str(paths[0]), str(paths[2])]
    assert (failure.device, failure.artifact, failure.message) == ("local", str(paths[1]), error.message)
    with pytest.raises(type(error), match=error.message):
        verify(paths[1])


def test_a_device_that_goes_away_keeps_what_it_gave(tmp_path, monkeypatch):
    def look(bench):
        raise DeviceError("local went away.")

    monkeypatch.setattr(Bench, "look", look)
    paths = [tflite_classifier(tmp_path), onnx_classifier(tmp_path), int8_classifier(tmp_path)]
    losing(monkeypatch, paths[1:], DeviceError("no answer"))
    found, failures = verify(*paths)
    assert [each.artifact for each in found] == [str(paths[0])]
    assert [(each.device, each.artifact, each.message) for each in failures] == [("local", "", "local went away.")]


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
