import numpy as np
import pytest

from edgecompress.data.base import Dataset, Split
from edgecompress.errors import DataError


def make_split(labels=(0, 1), *, shape=(4, 4, 1)):
    return Split(np.zeros((len(labels), *shape), np.uint8), np.array(labels, np.int64))


def make_dataset(**changed):
    parts = {"train": make_split(), "test": make_split(), "labels": ("a", "b"), "channels": 1, **changed}
    return Dataset("name", source="here", **parts)


def test_a_data_set_keeps_what_it_is_given():
    dataset = make_dataset()
    assert len(dataset.train) == 2
    assert dataset.labels == ("a", "b")


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (np.zeros((2, 4, 4, 1), np.float32), np.zeros(2, np.int64), "got float32 of shape (2, 4, 4, 1)"),
        (np.zeros((2, 4, 4), np.uint8), np.zeros(2, np.int64), "got uint8 of shape (2, 4, 4)"),
        (np.zeros((2, 4, 4, 2), np.uint8), np.zeros(2, np.int64), "1 or 3 channels"),
        (np.zeros((2, 0, 4, 1), np.uint8), np.zeros(2, np.int64), "(2, 0, 4, 1)"),
        (np.zeros((2, 4, 4, 1), np.uint8), np.zeros(2, np.int32), "got int32"),
        (np.zeros((2, 4, 4, 1), np.uint8), np.zeros(3, np.int64), "of shape (2,)"),
    ],
)
def test_a_split_refuses_other_types_and_shapes(images, labels, said):
    with pytest.raises(DataError) as refused:
        Split(images, labels)
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"labels": ("a",)}, "at least two"),
        ({"labels": ("a", "b", "cat", "dog")}, "class cat, dog"),
        ({"test": make_split(())}, "test split of name (here) holds no image"),
        ({"test": make_split((0, 2))}, "lie in 0..2"),
        ({"train": make_split((0, -1))}, "lie in -1..0"),
        ({"test": make_split(shape=(4, 4, 3))}, "have 3 channel(s), not 1"),
    ],
)
def test_a_data_set_refuses_what_cannot_be_trained_on(changed, said):
    with pytest.raises(DataError) as refused:
        make_dataset(**changed)
    assert said in refused.value.message
