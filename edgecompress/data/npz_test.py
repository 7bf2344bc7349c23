import contextlib
import io
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.data import load
from edgecompress.data.records import arrays_of
from edgecompress.errors import DataError
from edgecompress.values import TensorSpec

PIXELS = np.random.default_rng(0).integers(0, 256, (10, 6, 5, 3), dtype=np.uint8)
LABELS = np.arange(10, dtype=np.uint8) % 2
GOOD = {"x_train": PIXELS, "y_train": LABELS, "x_test": PIXELS[:4], "y_test": LABELS[:4]}


def load_npz(path, **arrays):
    np.savez(path, **arrays)
    return load(f"npz:{path}")


def write_member(path, data, *, name="x", compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{name}.npy", data)


def header(text):
    padded = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded.encode()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_training_and_test_arrays_come_back(tmp_path, save):
    path = tmp_path / "set.npz"
    save(path, **GOOD)
    dataset = load(f"npz:{path}")
    assert np.array_equal(dataset.train.images, PIXELS)
    assert np.array_equal(dataset.test.labels, LABELS[:4])
    assert (dataset.labels, dataset.channels, dataset.source) == (("0", "1"), 3, str(path))


def test_gray_images_float_pixels_and_column_labels_are_converted(tmp_path):
    floats = (PIXELS[..., 0] / np.float32(255)).astype(np.float32)
    dataset = load_npz(
        tmp_path / "set.npz",
        x_train=np.asfortranarray(floats),
        y_train=LABELS[:, None].astype(np.int32),
        x_test=floats,
        y_test=LABELS,
    )
    assert np.array_equal(dataset.train.images, PIXELS[..., :1])
    assert np.array_equal(dataset.train.labels, LABELS)


def test_x_and_y_are_divided_by_the_seed(tmp_path):
    path = tmp_path / "set.npz"
    np.savez(path, x=PIXELS, y=LABELS)
    first, again, other = (load(f"npz:{path}", seed=seed) for seed in (1, 1, 5))
    assert np.bincount(first.test.labels).tolist() == [1, 1]
    assert np.array_equal(first.test.images, again.test.images)
    assert not np.array_equal(first.test.images, other.test.images)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"y_train": LABELS.astype(np.float32)}, "test answers of .* must be 1 finite numbers a sample; got int64"),
        ({"y_train": np.array([str(label) for label in LABELS])}, "expected numbers as labels"),
        ({"y_train": LABELS[:9]}, "one an image"),
        ({"y_train": LABELS * 2}, "found 0, 2"),
        ({"y_train": LABELS * 0}, "at least two"),
        ({"y_test": LABELS[:4] + 1}, "lie in 1..2"),
        ({"x_train": PIXELS.astype(np.int64)}, "got int64"),
        ({"x_train": PIXELS.astype(np.uint16)}, "got uint16"),
        ({"x_train": PIXELS.astype(np.float32)}, r"must lie in \[0, 1\]"),
        ({"x_train": np.full((10, 4, 4), np.nan)}, r"must lie in \[0, 1\]"),
        ({"x_train": PIXELS[..., :2]}, "1 or 3"),
        ({"x_train": PIXELS.reshape(10, -1)}, r"shape \(10, 90\)"),
        ({"x_train": PIXELS[:0], "y_train": LABELS[:0]}, "expected numbers as labels; got uint8 of shape"),
    ],
)
def test_other_types_and_shapes_are_refused(tmp_path, changed, said):
    with pytest.raises(DataError, match=said):
        load_npz(tmp_path / "set.npz", **{**GOOD, **changed})


def test_missing_arrays_are_told(tmp_path):
    with pytest.raises(DataError, match=r"holds \['x', 'y_train'\]") as refused:
        load_npz(tmp_path / "set.npz", x=PIXELS, y_train=LABELS)
    assert "x_train, y_train, x_test and y_test, or x and y" in refused.value.hint


def test_pickled_objects_are_refused_and_not_run(tmp_path):
    class Payload:
        def __reduce__(self):
            return (type(tmp_path / "ran").mkdir, (tmp_path / "ran",))

    with pytest.raises(DataError, match="pickled Python objects"):
        load_npz(tmp_path / "set.npz", **{**GOOD, "x_train": np.array([Payload()], dtype=object)})
    pickle.loads(pickle.dumps(Payload()))
    assert (tmp_path / "ran").exists()  # by that last line: the payload does work


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (header("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999, 28, 28)}"), "has a header for uint8"),
        (header("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, -4)}") + bytes(4), "has a header for uint8"),
        (header("{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}") + bytes(3), "and 3 bytes of data"),
        (header("{'descr': '|u1', 'fortran_order': False, 'shape': " + "(" * 60), "no readable header"),
        (b"\x93NUMPY\x03\x00" + bytes(99), "version"),
        (b"\x93NUMPY\x01\x00\xff\xff{}", "no readable header"),
        (b"none of this", "not an intact"),
    ],
)
def test_headers_that_lie_are_refused(tmp_path, data, said):
    path = tmp_path / "set.npz"
    write_member(path, data)
    with pytest.raises(DataError, match=said):
        load(f"npz:{path}")


def test_a_directory_that_lies_about_a_size_is_refused_before_memory_is_taken(tmp_path):
    path = tmp_path / "set.npz"
    size = 1 << 31
    write_member(path, header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size},)}}"))
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<I", size + 128)  # the uncompressed size
    path.write_bytes(data)
    with pytest.raises(DataError, match="more than its 128 stored bytes can expand to"):
        load(f"npz:{path}")


def test_compressions_of_unbounded_ratio_are_refused(tmp_path):
    path = tmp_path / "set.npz"
    write_member(path, bytes(1000), compression=zipfile.ZIP_LZMA)
    with pytest.raises(DataError, match="a method that numpy"):
        load(f"npz:{path}")


@settings(deadline=None)
@given(st.data())
def test_damaged_archives_are_refused_and_never_crash(tmp_path_factory, data):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **GOOD)
    damaged = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("npz") / "set.npz"
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    with contextlib.suppress(DataError):
        # Zip has a checksum over each array: what is read at all is right.
        assert np.array_equal(load(f"npz:{path}").train.images, PIXELS)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"There is no file .*gone\.npz"):
        load(f"npz:{tmp_path / 'gone.npz'}")


def test_numbers_are_answers_and_rows_of_one_one_are_classes(tmp_path):
    answers = np.arange(20, dtype=np.float64).reshape(10, 2)
    dataset = load_npz(tmp_path / "set.npz", x=PIXELS, y=answers)
    assert dataset.labels == ("0", "1") and not dataset.has_classes
    assert (len(dataset.train), len(dataset.test)) == (8, 2)
    found = np.concatenate([dataset.train.labels, dataset.test.labels])
    assert found.dtype == np.float32 and sorted(map(tuple, found)) == sorted(map(tuple, answers))
    hot = load_npz(tmp_path / "hot.npz", x=PIXELS, y=np.eye(2)[LABELS])
    assert hot.has_classes and hot.train.labels.sum() == 4
    assert load(f"npz:{tmp_path / 'hot.npz'}", answers=True).labels == ("0", "1")


def test_rows_of_integers_are_classes_of_positions_where_that_is_known(tmp_path):
    rows = np.arange(30).reshape(10, 3) % 4
    np.savez(tmp_path / "set.npz", x=PIXELS, y=rows)
    assert load(f"npz:{tmp_path / 'set.npz'}", answers=False).train.labels.shape == (8, 3)
    for answers in (None, True):
        assert not load(f"npz:{tmp_path / 'set.npz'}", answers=answers).has_classes


def test_each_position_may_have_a_class(tmp_path):
    masks = (PIXELS[..., 0] > 127).astype(np.uint8)
    dataset = load_npz(tmp_path / "set.npz", x=PIXELS, y=masks)
    assert dataset.labels == ("0", "1") and dataset.train.labels.shape == (8, 6, 5)


INPUTS = (TensorSpec("steps", (1, -1, 3), "float32"), TensorSpec("word", (1, 1), "int32"))


def test_arrays_are_given_as_they_are_by_the_names_of_the_inputs(tmp_path):
    steps, words = np.random.default_rng(0).normal(size=(10, 4, 3)), np.arange(10).reshape(10, 1)
    np.savez(tmp_path / "set.npz", steps=steps, word=words, y=LABELS)
    dataset = load(f"npz:{tmp_path / 'set.npz'}", inputs=INPUTS)
    given, indices = arrays_of(dataset.train.images)
    assert (given.dtype, indices.dtype, dataset.channels) == (np.float32, np.int32, 0)
    assert np.array_equal(given, steps[indices[:, 0]].astype(np.float32))
    assert np.array_equal(dataset.train.labels, LABELS[indices[:, 0]])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"steps": np.zeros((10, 4, 2))}, r"'steps' have the shape \(4, 2\); it takes \(-1, 3\)"),
        ({"steps": np.full((10, 4, 3), np.nan)}, "not finite"),
        ({"steps": np.zeros((9, 4, 3))}, "different lengths: 9, 10"),
        ({"word": np.full((10, 1), 0.5)}, "'word' are float64; it takes int32"),
        ({"word": np.full((10, 1), "a")}, "'word' are <U1; it takes int32"),
        ({"y": LABELS[:9]}, "one an image"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, changed, said):
    good = {"steps": np.zeros((10, 4, 3)), "word": np.zeros((10, 1), int), "y": LABELS}
    np.savez(tmp_path / "set.npz", **(good | changed))
    with pytest.raises(DataError, match=said):
        load(f"npz:{tmp_path / 'set.npz'}", inputs=INPUTS)


def test_a_missing_input_is_told_and_other_data_has_no_arrays(tmp_path):
    np.savez(tmp_path / "set.npz", steps=np.zeros((10, 4, 3)), y=LABELS)
    with pytest.raises(DataError, match=r"holds \['steps', 'y'\]"):
        load(f"npz:{tmp_path / 'set.npz'}", inputs=INPUTS)
    with pytest.raises(DataError, match=r"takes arrays, 'steps' \(-1, 3\), 'word' \(1,\), and digits holds images"):
        load("digits", inputs=INPUTS)
