"""Which source a file is compared with, and what is said of one that parts from it, does not run, or has no source."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecompress.convert.checking import Checking
from edgecompress.convert.emitters import emit
from edgecompress.convert.making import Making, Source
from edgecompress.convert.making_test import CALIBRATION, dense, making
from edgecompress.convert.targets import Options, parse_target
from edgecompress.errors import ConversionError, RuntimeRefusal
from edgecompress.numerics.signal import EQUAL_DB
from edgecompress.testing.float_network import CHANNELS, Net

FLOAT, INT8, ONNX = map(parse_target, ("tflite:float32", "tflite:int8", "onnx:float32"))


def written(folder: Path, content: bytes, name: str = "made.tflite") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_float_files_are_compared_on_noise_and_quantized_ones_on_calibration_samples(tmp_path: Path) -> None:
    made = making(dense(kind="RELU"))
    with Checking(made) as checking:
        (same,) = checking.compared(FLOAT, written(tmp_path, emit(made, FLOAT))).agreement
        (onnx,) = checking.compared(ONNX, written(tmp_path, emit(made, ONNX), "made.onnx")).agreement
        quantized = checking.compared(INT8, written(tmp_path, emit(made, INT8)))
    assert same.signal_to_noise_db == EQUAL_DB and same.inputs == onnx.inputs == "noise"
    assert onnx.signal_to_noise_db > 110
    assert quantized.agreement[0].inputs == "calibration" and 20 < quantized.agreement[0].signal_to_noise_db < 80
    assert [spec.name for spec in (*quantized.inputs, *quantized.outputs)] == ["numbers", "result"]


@pytest.mark.parametrize(
    ("target", "advice"), [(FLOAT, "please report the model"), (INT8, "Calibrate with more of the data")], ids=str
)
def test_a_file_of_another_network_is_refused_by_its_output(target, advice: str, tmp_path: Path) -> None:
    other = written(tmp_path, emit(making(dense(kind="RELU", seed=1)), target))
    with Checking(making(dense(kind="RELU"))) as checking, pytest.raises(ConversionError) as caught:
        checking.compared(target, other)
    assert f"The {target} file of 'net' computes something else than its source: output 'result' is" in str(
        caught.value
    )
    assert "Nothing was kept." in caught.value.message and advice in caught.value.hint
    assert ("'middle' is the first tensor that parts" in caught.value.message) == (target == INT8)


def test_a_file_that_does_not_run_is_the_runtime_s_refusal(tmp_path: Path) -> None:
    with Checking(making()) as checking, pytest.raises(RuntimeRefusal, match=r"LiteRT refused made\.tflite"):
        checking.compared(FLOAT, written(tmp_path, b"\x18\0\0\0TFL3" + bytes(40)))


def test_a_source_that_computes_nothing_finite_is_named(tmp_path: Path) -> None:
    content = dense(kind="LOG", bias=-1e9)
    with Checking(making(content)) as checking, pytest.raises(ConversionError, match="'net' computes nothing that is"):
        checking.compared(FLOAT, written(tmp_path, content))


def test_an_onnx_source_is_compared_with_itself(tmp_path: Path) -> None:
    net = Net()
    content = net.model(net.conv(net.sign("x"), 4, CHANNELS)).SerializeToString()
    made = Making(Source("net", content, "net.onnx"), Options(), None)
    target = parse_target("onnx:binary")
    with Checking(made) as checking:
        assert checking.compared(target, written(tmp_path, emit(made, target), "made.onnx")).agreement[0].output
        net.conv("x", 4, CHANNELS)
        other = net.model(net.conv("x", 4, CHANNELS)).SerializeToString()
        with pytest.raises(ConversionError, match="The onnx:binary file of 'net' computes something else"):
            checking.compared(target, written(tmp_path, other, "other.onnx"))


def test_what_it_writes_is_gone_behind_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = making(dense(kind="RELU"))
    with Checking(made) as checking:
        assert len(CALIBRATION) == len(checking.compared(INT8, written(tmp_path, emit(made, INT8))).inputs)
        assert [path.name for path in tmp_path.glob("edgecompress-*/*.tflite")]
    assert not list(tmp_path.glob("edgecompress-*/*.tflite"))
