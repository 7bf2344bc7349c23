import numpy as np
import pytest
from PIL import Image

from edgecompress.data import Split, load
from edgecompress.data.calibration import calibration_batch, parse_calibration, read_calibration, read_input_arrays
from edgecompress.data.preprocessing import apply
from edgecompress.errors import DataError
from edgecompress.values import Preprocessing, TensorSpec

AS_THEY_ARE = Preprocessing(1, 1, 1, scale=(1.0,), offset=(0.0,))


def numbered(labels):
    """A split whose image `i` is the pixel `i`."""
    return Split(np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1), np.array(labels, np.int64))


def test_a_batch_holds_different_images_equally_many_of_each_class():
    split = numbered(np.arange(200) % 10)
    (batch,) = calibration_batch(split, AS_THEY_ARE, count=30, seed=0)
    assert batch.dtype == np.float32
    assert batch.shape == (30, 1, 1, 1)
    drawn = batch.ravel().astype(int)
    assert len(set(drawn)) == 30
    assert np.bincount(split.labels[drawn]).tolist() == [3] * 10


def test_a_batch_depends_on_the_seed_alone_and_begins_with_the_smaller_one():
    split = numbered(np.arange(200) % 7)
    (batch,) = calibration_batch(split, AS_THEY_ARE, count=60, seed=1)
    assert np.array_equal(batch, *calibration_batch(split, AS_THEY_ARE, count=60, seed=1))
    assert np.array_equal(batch[:20], *calibration_batch(split, AS_THEY_ARE, count=20, seed=1))
    assert not np.array_equal(batch, *calibration_batch(split, AS_THEY_ARE, count=60, seed=2))


def test_all_images_may_be_drawn():
    (batch,) = calibration_batch(numbered([0, 1, 1]), AS_THEY_ARE, count=3, seed=0)
    assert sorted(batch.ravel()) == [0, 1, 2]


@pytest.mark.parametrize(("available", "count"), [(3, 4), (3, 0), (3, -1), (0, 1)])
def test_more_than_there_are_or_none_are_refused(available, count):
    with pytest.raises(DataError, match=f"Expected 1 to {available} calibration images, .*; got {count}"):
        calibration_batch(numbered([0] * available), AS_THEY_ARE, count=count, seed=0)


@pytest.mark.parametrize(
    ("text", "data", "count"),
    [
        ("digits", "digits", None),
        ("digits:50", "digits", 50),
        ("folder:images:200", "folder:images", 200),
        ("folder:images", "folder:images", None),
        ("folder:C:/a:b:7", "folder:C:/a:b", 7),
        ("folder:7", "folder:7", None),
        ("folder:7:9", "folder:7", 9),
        ("npz:12", "npz:12", None),
        ("folder:a\nb:3", "folder:a\nb", 3),
        ("digits:1234567890123", "digits:1234567890123", None),
    ],
)
def test_the_count_is_the_number_after_the_last_colon(text, data, count):
    assert parse_calibration(text) == (data, count)


@pytest.mark.parametrize("text", ["digits:0", "digits:-5", "folder:a:0"])
def test_a_count_below_one_is_refused(text):
    with pytest.raises(DataError, match="Expected at least one calibration image"):
        parse_calibration(text)


def test_a_named_data_set_gives_a_batch_of_its_training_split():
    preprocessing = Preprocessing(16, 16, 1)
    batch = read_calibration("digits:40", preprocessing, seed=3)
    assert np.array_equal(batch, *calibration_batch(load("digits").train, preprocessing, count=40, seed=3))


def write_images(folder, grays):
    folder.mkdir(parents=True)
    for gray in grays:
        Image.new("L", (4, 3), gray).save(folder / f"{gray:03}.png")


def test_images_without_labels_do_for_calibration(tmp_path):
    write_images(tmp_path / "images", range(0, 200, 10))
    preprocessing = Preprocessing(2, 5, 3)
    batch = read_calibration(f"folder:{tmp_path / 'images'}:8", preprocessing)
    assert batch.shape == (8, 2, 5, 3)
    # The images are of one gray each, so that any pixel tells which they are.
    every = apply(preprocessing, np.arange(0, 200, 10, dtype=np.uint8).reshape(-1, 1, 1, 1))
    drawn = set(batch[:, 0, 0, 0])
    assert len(drawn) == 8
    assert drawn <= set(every[:, 0, 0, 0])


def test_only_the_images_that_are_drawn_are_read(tmp_path):
    write_images(tmp_path / "images", range(10))
    text = f"folder:{tmp_path / 'images'}:9"
    whole = {round(value) for value in read_calibration(text, AS_THEY_ARE).ravel()}
    (left_out,) = set(range(10)) - whole
    (tmp_path / "images" / f"{left_out:03}.png").write_text("damaged")
    assert {round(value) for value in read_calibration(text, AS_THEY_ARE).ravel()} == whole


def test_class_folders_do_for_calibration(tmp_path):
    write_images(tmp_path / "set" / "dark", range(5))
    write_images(tmp_path / "set" / "light", range(200, 205))
    batch = read_calibration(f"folder:{tmp_path / 'set'}:4", AS_THEY_ARE)
    assert sorted(value > 100 for value in batch.ravel()) == [False, False, True, True]


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda folder: None, "There is no folder"),
        (lambda folder: folder.mkdir(), "Expected 1 to 0 calibration images"),
        (lambda folder: [write_images(folder, range(3)), (folder / "sub").mkdir()], "Files beside the sub-folders"),
    ],
)
def test_a_folder_with_too_little_is_refused(tmp_path, write, said):
    write(tmp_path / "images")
    with pytest.raises(DataError, match=said):
        read_calibration(f"folder:{tmp_path / 'images'}:4", AS_THEY_ARE)


def test_fewer_than_asked_for_are_taken_as_they_are(tmp_path):
    write_images(tmp_path / "set", range(3))
    assert len(read_calibration(f"folder:{tmp_path / 'set'}:4", AS_THEY_ARE)) == 3
    np.savez(tmp_path / "few.npz", sensors=np.ones((2, 5), np.float32))
    (found,) = read_input_arrays(f"npz:{tmp_path / 'few.npz'}:9", (SENSORS,))
    assert found.shape == (2, 5)


def test_without_a_count_as_many_as_there_are_up_to_two_hundred(tmp_path):
    write_images(tmp_path / "few", range(7))
    assert len(read_calibration(f"folder:{tmp_path / 'few'}", AS_THEY_ARE)) == 7
    np.savez(tmp_path / "many.npz", x=np.zeros((250, 1, 1, 1), np.uint8))
    assert len(read_calibration(f"npz:{tmp_path / 'many.npz'}", AS_THEY_ARE)) == 200


def test_no_label_and_no_second_class_is_needed(tmp_path):
    write_images(tmp_path / "set" / "only", range(5))
    assert len(read_calibration(f"folder:{tmp_path / 'set'}:3", AS_THEY_ARE)) == 3
    np.savez(tmp_path / "x.npz", x=np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1))
    assert sorted(read_calibration(f"npz:{tmp_path / 'x.npz'}", AS_THEY_ARE).ravel()) == [0, 1, 2, 3, 4, 5]


IMAGE, SENSORS = TensorSpec("image", (1, 4, 4, 3), "float32"), TensorSpec("sensors", (1, 5), "float32")
WORDS = TensorSpec("words", (1, 7), "int32")


def test_arrays_named_after_the_inputs_are_taken_as_they_are(tmp_path):
    generator = np.random.default_rng(0)
    image, sensors = generator.normal(size=(9, 4, 4, 3)) * 100, generator.normal(size=(9, 5))
    np.savez(tmp_path / "both.npz", image=image, sensors=sensors)
    found = read_input_arrays(f"npz:{tmp_path / 'both.npz'}:4", (IMAGE, SENSORS))
    assert [array.shape for array in found] == [(4, 4, 4, 3), (4, 5)]
    rows = [int(np.flatnonzero((np.float32(image) == each).all(axis=(1, 2, 3)))[0]) for each in found[0]]
    assert np.array_equal(found[1], np.float32(sensors)[rows])  # the samples of both inputs stay together


def test_one_input_may_be_called_x(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.ones((3, 5)), y=np.arange(3))
    (found,) = read_input_arrays(f"npz:{tmp_path / 'x.npz'}", (SENSORS,))
    assert found.shape == (3, 5) and found.dtype == np.float32
    np.savez(tmp_path / "words.npz", words=np.arange(14).reshape(2, 7))
    (found,) = read_input_arrays(f"npz:{tmp_path / 'words.npz'}", (WORDS,))
    assert found.dtype == np.int32


def test_other_data_are_no_input_arrays(tmp_path):
    np.savez(tmp_path / "other.npz", data=np.ones((3, 5)))
    for text in ("digits:4", f"folder:{tmp_path}:4", f"npz:{tmp_path / 'other.npz'}"):
        assert read_input_arrays(text, (SENSORS,)) is None


@pytest.mark.parametrize(
    ("arrays", "inputs", "said"),
    [
        ({"image": np.ones((2, 4, 4, 3))}, (IMAGE, SENSORS), "no array for the model's input sensors"),
        ({"sensors": np.ones((2, 6))}, (SENSORS,), r"have the shape \(6,\); it takes \(5,\)"),
        ({"words": np.full((2, 7), 0.5)}, (WORDS,), "are float64; it takes int32"),
        ({"image": np.ones((2, 4, 4, 3)), "sensors": np.ones((3, 5))}, (IMAGE, SENSORS), "different lengths: 2, 3"),
        ({"sensors": np.ones((0, 5))}, (SENSORS,), "Expected 1 to 0 calibration images"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, arrays, inputs, said):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=said):
        read_input_arrays(f"npz:{tmp_path / 'a.npz'}:3", inputs)
