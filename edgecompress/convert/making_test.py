"""The bytes of each target from a small float TFLite file, what is made once, and what is refused before that."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from edgecompress.convert.embedded import METADATA_KEY
from edgecompress.convert.emitters import emit
from edgecompress.convert.making import Making, Source
from edgecompress.convert.targets import TARGETS, Options, parse_target
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.testing.tflite_files import T, model_table, options, pack
from edgecompress.values import Preprocessing

CALIBRATION = (np.random.default_rng(1).normal(size=(20, 8)).astype(np.float32),)


def dense(*, kind: str = "FLOOR", seed: int = 0, bias: float = 0.0) -> bytes:
    """A dense layer and something behind it: FLOOR has no int8 form."""
    generator = np.random.default_rng(seed)
    tensors = [
        T([1, 8], name="numbers"),
        T([4, 8], name="kernel", data=generator.normal(size=(4, 8)).astype(np.float32)),
        T([4], name="bias", data=np.full(4, bias, np.float32)),
        T([1, 4], name="middle"),
        T([1, 4], name="result"),
    ]
    layer = ("FULLY_CONNECTED", [0, 1, 2], [3], options("FullyConnectedOptions"))
    return first_versions(model_table(tensors, [layer, (kind, [3], [4], None)]))


def first_versions(model: Any) -> bytes:
    for code in model.operatorCodes:
        code.version = 1
    return pack(model)


def making(
    content: bytes | None = None, *, calibrated: bool = True, aware: bool = False, **chosen: str | bool
) -> Making:
    model = dense() if content is None else content
    source = Source("net", model, "net.tflite", model if aware else None, Preprocessing(8, 1, 1, labels=("a", "b")))
    return Making(source, Options(**chosen), CALIBRATION if calibrated else None)


def test_files_are_named_after_variant_precision_and_io() -> None:
    names = {str(target): making(io="uint8").file_name(target) for target in TARGETS}
    assert names["tflite:int8"] == "net.int8.io-uint8.tflite" and names["onnx:int8"] == "net.int8.io-uint8.onnx"
    assert names["tflite:int16x8"] == "net.int16x8.tflite" and names["onnx:binary"] == "net.binary.onnx"
    assert making().file_name(parse_target("tflite:int8")) == "net.int8.tflite"
    assert len(set(names.values())) == len(TARGETS)


@pytest.mark.parametrize(
    ("made", "target", "said"),
    [
        (making(sparse=True), "tflite:int8", r"--sparse is for tflite:float32.* Add --to tflite:float32"),
        (making(io="int8"), "tflite:binary", "tflite:binary files have float32 inputs and outputs; --io int8 is for"),
        (making(b"an ONNX file"), "tflite:float32", "emitted as onnx:binary, not as tflite:float32"),
        (making(calibrated=False), "tflite:int8", r"tflite:int8 needs example inputs .* --calibrate"),
        (making(calibrated=False), "onnx:int8", "onnx:int8 needs example inputs"),
        (making(calibrated=False, aware=True), "tflite:int16x8", "tflite:int16x8 needs example inputs"),
    ],
)
def test_what_can_be_known_to_fail_is_refused_before_anything_is_computed(made: Making, target: str, said: str) -> None:
    with pytest.raises(ConversionError, match=said):
        made.check((parse_target(target),))


def test_what_can_be_made_is_let_through() -> None:
    making(io="int8", sparse=True).check((parse_target("tflite:float32"), parse_target("tflite:int8")))
    making(calibrated=False).check((parse_target("tflite:dynamic"), parse_target("onnx:float32")))
    making(calibrated=False, aware=True).check((parse_target("tflite:int8"), parse_target("onnx:int8")))
    making(b"an ONNX file").check((parse_target("onnx:binary"),))


def test_a_source_is_told_by_its_content() -> None:
    assert not making().is_onnx and making(b"\x08\x09\x12\x00onnx").is_onnx
    assert not Making(Source("net", object(), "a Keras model"), Options(), None).is_onnx


@pytest.mark.parametrize("target", ["tflite:float32", "tflite:float16", "tflite:dynamic", "tflite:int8"])
def test_a_file_keeps_the_names_of_its_source_and_says_what_it_is(target: str) -> None:
    content = emit(making(), parse_target(target))
    graph = parse_graph(content)
    assert [graph.tensors[index].name for index in (*graph.inputs, *graph.outputs)] == ["numbers", "result"]
    said = json.loads(graph.metadata[METADATA_KEY])
    assert said["target"] == target and said["preprocessing"]["labels"] == ["a", "b"]


def test_what_stays_float_in_int8_is_listed_with_its_reason() -> None:
    int8 = parse_target("tflite:int8")
    (note,) = making().float_layers(int8)
    assert (note.layer, note.action) == ("result", "kept float") and note.reason.startswith("FLOOR has no int8 form")
    assert making().float_layers(parse_target("tflite:dynamic")) == ()
    assert making(dense(kind="RELU")).float_layers(int8) == ()
    (note,) = making(dense(kind="RELU"), keep_float="result").float_layers(int8)
    assert (note.layer, note.reason) == ("result", "matches --keep-float")


def test_a_network_of_which_nothing_is_int8_is_refused() -> None:
    tensors = [T([1, 8], name="numbers"), T([1, 8], name="result")]
    lone = first_versions(model_table(tensors, [("FLOOR", [0], [1], None)]))
    with pytest.raises(ConversionError, match=r"^Nothing is left to compute in int8"):
        emit(making(lone), parse_target("tflite:int8"))


def test_what_several_targets_need_is_made_once() -> None:
    made = making()
    assert emit(made, parse_target("tflite:int8")) is made.int8 is made.int8
    assert made.tflite is made.dense_float
    emit(made, parse_target("onnx:int8"))
    assert "int8" in vars(made) and "_sparse" not in vars(made) and "ends" not in vars(made)


def test_sparse_that_changed_nothing_is_said() -> None:
    (said,) = making(sparse=True).warnings(parse_target("tflite:float32"))
    assert "--sparse changed nothing" in said
    assert making(sparse=True).warnings(parse_target("tflite:int8")) == making().warnings(TARGETS[0]) == ()
