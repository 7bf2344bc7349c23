"""What lone files are fed with: the values that they tell, those that the user says, or nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper

from edgecompress.convert.embedded import METADATA_KEY
from edgecompress.data import load
from edgecompress.errors import DataError, UnsupportedModelError
from edgecompress.pipeline.feeding import feed_images, feed_noise
from edgecompress.pipeline.on_devices.verify_test import int8_classifier, onnx_classifier, tflite_classifier
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.storage import to_json
from edgecompress.testing.sample_files import (
    INT32,
    graph,
    int8_relu,
    operator,
    quantized_relu,
    tensor,
    write_onnx,
    write_tflite,
)
from edgecompress.values import Preprocessing


def says_itself(path: Path, preprocessing: Preprocessing) -> Path:
    """Embed a preprocessing in an ONNX file, as a conversion does."""
    model = onnx.load(path)
    value = {"target": "onnx:float32", "preprocessing": json.loads(to_json(preprocessing))}
    model.metadata_props.add(key=METADATA_KEY, value=json.dumps(value))
    onnx.save(model, path)
    return path


def images(path: Path, input_range=None):
    found = load("digits").test.images[:20]
    with RuntimeProcess(path) as process:
        return feed_images(path, process.describe()[0], found, input_range=input_range), found


def noise(path: Path, input_range=None, count: int = 50, seed: int = 0):
    with RuntimeProcess(path) as process:
        inputs, _, _ = process.describe()
        feed = feed_noise(path, process, inputs, count=count, input_range=input_range, seed=seed)
        for record in feed.records[:3]:
            process.run(record)  # the runtime takes them
    return feed


def stacked(feed, place: int = 0) -> np.ndarray:
    return np.concatenate([record[place].ravel() for record in feed.records])


def embedding(folder: Path, *, rows: int = 7, kind: str = "GATHER") -> Path:
    """Indices through a reshape into a table, in TFLite."""
    table = np.arange(rows * 3, dtype=np.float32)
    tensors = [
        tensor("words", (1, 4), INT32),
        tensor("table", (rows, 3), buffer=1),
        tensor("flat", (4,), INT32),
        tensor("vectors", (4, 3)),
        tensor("form", (1,), INT32, buffer=2),
    ]
    reshape = operator(1, [0, 4], [2], schema.ReshapeOptionsT(), schema.BuiltinOptions.ReshapeOptions)
    if kind == "GATHER":
        look_up = operator(0, [1, 2], [3], schema.GatherOptionsT(), schema.BuiltinOptions.GatherOptions)
    else:
        look_up = operator(0, [2, 1], [3])
    codes = [getattr(schema.BuiltinOperator, kind), schema.BuiltinOperator.RESHAPE]
    constants = [table.tobytes(), np.array([4], np.int32).tobytes()]
    return write_tflite(folder / "words.tflite", [graph(tensors, [0], [3], [reshape, look_up])], codes, constants)


def onnx_embedding(folder: Path, *, axis: int = 0) -> Path:
    """Indices through a cast into two tables, of 9 and of 5 rows."""
    words = helper.make_tensor_value_info("words", TensorProto.INT32, [1, 4])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("y", "z")]
    shapes = {"large": [9, 9], "small": [5, 12] if axis == 0 else [12, 5]}
    constants = [
        helper.make_tensor(name, TensorProto.FLOAT, shape, np.ones(shape).ravel()) for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Cast", ["words"], ["wide"], to=TensorProto.INT64),
        helper.make_node("Gather", ["large", "wide"], ["y"], axis=axis),
        helper.make_node("Gather", ["small", "wide"], ["z"], axis=axis),
    ]
    return write_onnx(folder / "words.onnx", nodes, [words], outputs, constants)


def test_a_file_that_says_itself_gets_what_it_says(tmp_path: Path) -> None:
    path = says_itself(onnx_classifier(tmp_path), Preprocessing(8, 8, 1, scale=(0.5,), offset=(3.0,)))
    feed, pixels = images(path)
    assert np.array_equal(stacked(feed), pixels.ravel() * np.float32(0.5) + 3)
    assert feed.assumed == "as it says itself: 8 x 8 x 1, pixels as 3 to 130.5"
    drawn = stacked(noise(path))
    assert 3 <= drawn.min() < 10 and 120 < drawn.max() <= 130.5


def test_the_user_s_word_counts_more_than_the_file_s(tmp_path: Path) -> None:
    path = says_itself(onnx_classifier(tmp_path), Preprocessing(8, 8, 1, scale=(0.5,), offset=(3.0,)))
    feed, _ = images(path, (0, 1))
    assert (stacked(feed).min(), stacked(feed).max()) == (0, 1) and feed.assumed == "pixels as 0 to 1, as you said"
    assert stacked(noise(path, (0, 1))).max() <= 1


@pytest.mark.parametrize("float_doors", [False, True])
def test_quantization_tells_the_range(float_doors: bool, tmp_path: Path) -> None:
    """Codes -128 to 127 at a 127th: black is the least code, white the greatest."""
    path = int8_classifier(tmp_path, float_doors=float_doors)
    feed, pixels = images(path)
    assert feed.assumed == "pixels as -1.00787 to 1, as its quantization can hold"
    low, high = (-128 / 127, 1.0) if float_doors else (-128, 127)
    found = stacked(feed)
    assert found.min() == pytest.approx(low) and found.max() == pytest.approx(high)
    assert np.array_equal(found == found.min(), pixels.ravel() == 0)
    drawn = stacked(noise(path))
    assert low <= drawn.min() and drawn.max() <= high * (1 + 1e-6) and drawn.dtype == found.dtype


def test_other_schemes_tell_theirs(tmp_path: Path) -> None:
    assert noise(int8_relu(tmp_path, scale=0.5, zero_point=-3)).assumed.startswith("random inputs: x -62.5 to 65, as")
    assert noise(quantized_relu(tmp_path, scale=0.25, zero_point=10)).assumed.startswith(
        "random inputs: x -2.5 to 61.25"
    )


@pytest.mark.parametrize("make", [tflite_classifier, onnx_classifier])
@pytest.mark.parametrize("feed", [images, noise])
def test_a_float_file_that_tells_nothing_is_not_fed(make, feed, tmp_path: Path) -> None:
    path = make(tmp_path)
    with pytest.raises(DataError, match=r"does not say which values its input 'image' takes.*--input-range 0 1"):
        feed(path)


@pytest.mark.parametrize("kind", ["GATHER", "EMBEDDING_LOOKUP"])
def test_indices_stay_below_the_size_of_their_table(kind: str, tmp_path: Path) -> None:
    feed = noise(embedding(tmp_path, rows=7, kind=kind))
    assert set(stacked(feed).tolist()) == set(range(7))
    assert feed.assumed == "random inputs: words 0 to 6, the rows of its table"


@pytest.mark.parametrize("axis", [0, 1])
def test_the_smallest_of_several_tables_counts(axis: int, tmp_path: Path) -> None:
    assert set(stacked(noise(onnx_embedding(tmp_path, axis=axis))).tolist()) == set(range(5))


def test_indices_without_a_table_are_asked_for(tmp_path: Path) -> None:
    x, y = (helper.make_tensor_value_info(name, TensorProto.INT32, [1, 4]) for name in "xy")
    path = write_onnx(tmp_path / "double.onnx", [helper.make_node("Add", ["x", "x"], ["y"])], [x], [y])
    with pytest.raises(DataError, match="does not say which values its input 'x' takes"):
        noise(path)
    assert set(stacked(noise(path, (3, 5))).tolist()) == {3, 4, 5}


def test_noise_is_seeded(tmp_path: Path) -> None:
    path = int8_classifier(tmp_path)
    assert np.array_equal(stacked(noise(path)), stacked(noise(path)))
    assert not np.array_equal(stacked(noise(path)), stacked(noise(path, seed=1)))


def test_images_are_not_put_into_indices(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"which is no image \(NHWC\)"):
        images(embedding(tmp_path))
