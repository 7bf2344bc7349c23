import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.data.base import Split
from edgecompress.data.stratified import stratified_order, stratified_split
from edgecompress.errors import DataError

label_lists = st.lists(st.integers(0, 4), min_size=1, max_size=80)


@settings(deadline=None)
@given(label_lists, st.integers(0, 2**32 - 1))
def test_an_order_holds_every_index_once(labels, seed):
    order = stratified_order(np.array(labels), seed=seed)
    assert sorted(order) == list(range(len(labels)))


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 99), st.data())
def test_prefixes_hold_equally_large_classes_equally_often(size, classes, seed, data):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(classes), size))
    count = data.draw(st.integers(1, len(labels)))
    counts = np.bincount(labels[stratified_order(labels, seed=seed)[:count]], minlength=classes)
    assert counts.max() - counts.min() <= 1


@settings(deadline=None)
@given(label_lists, st.integers(0, 99))
def test_half_of_the_order_holds_about_half_of_each_class(labels, seed):
    labels = np.array(labels)
    sizes = np.bincount(labels)
    half = np.bincount(labels[stratified_order(labels, seed=seed)[: len(labels) // 2]], minlength=len(sizes))
    # At the key 1/2 each class is off its half by less than one image, so the cut at N/2 images is off that key by
    # less than one image a class, which may all be of one class.
    assert (abs(half - sizes / 2) < 1 + len(sizes)).all()


def test_orders_depend_on_the_seed_alone():
    labels = np.arange(100) % 10
    assert np.array_equal(stratified_order(labels, seed=3), stratified_order(labels, seed=3))
    assert not np.array_equal(stratified_order(labels, seed=3), stratified_order(labels, seed=4))


def numbered(labels):
    """A split whose image `i` holds the pixel `i`."""
    return Split(np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1), np.array(labels, np.int64))


@settings(deadline=None)
@given(st.lists(st.integers(2, 20), min_size=2, max_size=4), st.integers(0, 99))
def test_a_split_divides_each_class_and_loses_nothing(sizes, seed):
    whole = numbered(np.repeat(np.arange(len(sizes)), sizes))
    larger, smaller = stratified_split(whole, names=[str(size) for size in sizes], seed=seed)
    assert np.bincount(smaller.labels).tolist() == [max(1, round(0.2 * size)) for size in sizes]
    both = np.concatenate([larger.images, smaller.images]).ravel()
    assert sorted(both) == list(range(sum(sizes)))
    for part in (larger, smaller):
        assert np.array_equal(part.labels, whole.labels[part.images.ravel()])


def test_a_class_of_one_image_is_named():
    with pytest.raises(DataError, match="Class 'rare' has 1 image"):
        stratified_split(numbered([0, 0, 1]), names=("often", "rare"), seed=0)
