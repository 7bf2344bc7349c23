import numpy as np
import pytest
from PIL import Image

from edgecompress.data import load
from edgecompress.errors import DataError


def write_class(folder, *, count=5, gray=40, size=(6, 6)):
    """`count` images of one gray."""
    folder.mkdir(parents=True)
    for index in range(count):
        Image.new("L", size, gray).save(folder / f"{index}.png")


def write_classes(root, *, count=5, size=(6, 6)):
    for gray, name in ((10, "ant"), (20, "bee"), (30, "cat")):
        write_class(root / name, count=count, gray=gray, size=size)


def require_labels_match(split, grays=(10, 20, 30)):
    assert (split.images == np.array(grays)[split.labels][:, None, None, None]).all()


def test_class_folders_are_divided_four_to_one(tmp_path):
    write_classes(tmp_path)
    dataset = load(f"folder:{tmp_path}")
    assert dataset.labels == ("ant", "bee", "cat")
    assert dataset.train.images.shape == (12, 6, 6, 1)
    assert np.bincount(dataset.test.labels).tolist() == [1, 1, 1]
    require_labels_match(dataset.train)
    require_labels_match(dataset.test)
    assert dataset.source == str(tmp_path)


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_folders_of_their_own_for_training_and_test_are_taken_as_they_are(tmp_path, held_out):
    write_classes(tmp_path / "train", count=3)
    write_classes(tmp_path / held_out, count=1)
    dataset = load(f"folder:{tmp_path}")
    assert np.bincount(dataset.train.labels).tolist() == [3, 3, 3]
    assert np.bincount(dataset.test.labels).tolist() == [1, 1, 1]
    require_labels_match(dataset.train)
    require_labels_match(dataset.test)
    assert dataset.source == f"{tmp_path} (train and {held_out})"


def test_a_validation_folder_beside_a_test_folder_scores_epochs(tmp_path):
    for part, count in (("train", 3), ("val", 2), ("test", 1)):
        write_classes(tmp_path / part, count=count)
    dataset = load(f"folder:{tmp_path}")
    assert dataset.source == f"{tmp_path} (train, val and test)"
    assert [len(each) for each in (dataset.train, dataset.held_out, dataset.test)] == [9, 6, 3]
    require_labels_match(dataset.held_out)
    with_it = dataset.record.sha256
    (tmp_path / "val" / "bee" / "0.png").write_bytes((tmp_path / "val" / "cat" / "0.png").read_bytes())
    assert load(f"folder:{tmp_path}").record.sha256 != with_it


def test_damaged_images_are_left_out_counted_and_named(tmp_path):
    write_classes(tmp_path)
    damaged = [tmp_path / "cat" / "3.png", tmp_path / "bee" / "notes.png"]
    damaged[0].write_bytes(damaged[0].read_bytes()[:50])
    damaged[1].write_text("about")
    dataset = load(f"folder:{tmp_path}")
    assert len(dataset.train) + len(dataset.test) == 14
    assert dataset.notes == (f"Left out, as damaged, 2 of 16: {damaged[1]}, {damaged[0]}.",)
    require_labels_match(dataset.train)
    require_labels_match(dataset.test)


def test_images_are_resized_and_converted_as_asked(tmp_path):
    write_classes(tmp_path, size=(9, 5))
    dataset = load(f"folder:{tmp_path}", size=(4, 4), channels=3)
    assert dataset.train.images.shape == (12, 4, 4, 3)
    assert dataset.channels == 3
    require_labels_match(dataset.train)


def test_the_split_follows_the_seed(tmp_path):
    for gray, name in ((10, "ant"), (30, "cat")):
        write_class(tmp_path / name, gray=gray)
        for index in range(5):
            Image.new("L", (6, 6), gray + index).save(tmp_path / name / f"{index}.png")
    first, again, other = (load(f"folder:{tmp_path}", seed=seed) for seed in (0, 0, 3))
    assert np.array_equal(first.test.images, again.test.images)
    assert not np.array_equal(first.test.images, other.test.images)


def write_loop(root):
    write_classes(root)
    (root / "ant" / "loop").symlink_to(root)


def write_only_strays_in_a_class(root):
    write_classes(root)
    (root / "dog").mkdir()
    (root / "dog" / "notes.txt").write_text("about")


def write_damaged_class(root):
    write_classes(root)
    for path in (root / "cat").iterdir():
        path.write_bytes(path.read_bytes()[:50])


def write_uneven_parts(root):
    write_classes(root / "train")
    write_classes(root / "test")
    write_class(root / "test" / "dog")


def write_third_part(root):
    for part in ("train", "test", "extra"):
        write_classes(root / part)


def write_images_directly(root):
    write_class(root)


def write_empty_class(root):
    write_classes(root)
    (root / "dog").mkdir()
    (root / "dog" / "Thumbs.db").touch()


def write_class_of_one(root):
    write_classes(root)
    write_class(root / "dog", count=1)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda root: root.mkdir(), r"set has 0 class folder\(s\)"),
        (lambda root: write_class(root / "ant"), r"set has 1 class folder\(s\); a classifier needs at least two"),
        (lambda root: None, "There is no folder .*set"),
        (lambda root: root.write_text("file"), "There is no folder .*set"),
        (write_loop, "Folders inside the class folder .*ant: .*loop"),
        (write_images_directly, r"Images beside the class folders of .*set: .*0\.png"),
        (write_only_strays_in_a_class, "class folder .*dog holds no image"),
        (write_damaged_class, "All images of the class 'cat' in .*set are damaged"),
        (write_uneven_parts, "different classes: dog"),
        (write_third_part, "Folders beside train and test in .*set: extra"),
        (write_empty_class, "class folder .*dog holds no image"),
        (write_class_of_one, "Class 'dog' has 1 image"),
    ],
)
def test_other_layouts_are_refused_and_what_is_wrong_is_named(tmp_path, write, said):
    write(tmp_path / "set")
    with pytest.raises(DataError, match=said):
        load(f"folder:{tmp_path / 'set'}")


@pytest.mark.parametrize("parts", [("",), ("train", "test")])
def test_files_that_are_no_images_are_left_out_and_named(tmp_path, parts):
    for part in parts:
        write_classes(tmp_path / part)
    clean = load(f"folder:{tmp_path}")
    assert clean.notes == ()
    strays = [tmp_path / "README.md", tmp_path / parts[-1] / "bee" / "notes.txt", tmp_path / parts[-1] / "labels.csv"]
    for path in strays:
        path.write_text("about")
    (tmp_path / parts[-1] / "cat" / ".DS_Store").write_text("hidden")
    dataset = load(f"folder:{tmp_path}")
    assert len(dataset.notes) == 1 and all(str(path) in dataset.notes[0] for path in strays)
    assert dataset.record.sha256 == clean.record.sha256


def test_an_image_is_told_by_its_content_where_its_name_says_nothing(tmp_path):
    write_classes(tmp_path)
    (tmp_path / "bee" / "0.png").rename(tmp_path / "bee" / "0001")
    dataset = load(f"folder:{tmp_path}")
    assert len(dataset.train) + len(dataset.test) == 15 and dataset.notes == ()


def test_the_record_is_that_of_pixels_labels_and_split(tmp_path):
    write_classes(tmp_path)
    records = {load(f"folder:{tmp_path}").record.sha256}
    (tmp_path / "bee" / "0.png").rename(tmp_path / "ant" / "x.png")
    records.add(load(f"folder:{tmp_path}").record.sha256)
    (tmp_path / "ant").rename(tmp_path / "aunt")
    records.add(load(f"folder:{tmp_path}").record.sha256)
    assert len(records) == 3


def test_the_expected_layout_is_told(tmp_path):
    write_images_directly(tmp_path / "set")
    with pytest.raises(DataError) as refused:
        load(f"folder:{tmp_path / 'set'}")
    assert "images/cat/1.jpg" in refused.value.hint
