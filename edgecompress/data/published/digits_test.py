import numpy as np
from sklearn.datasets import load_digits

from edgecompress.data import load


def test_digits_are_scikit_learns_in_full_range():
    dataset = load("digits")
    assert dataset.train.images.shape == (1438, 8, 8, 1)
    assert dataset.test.images.shape == (359, 8, 8, 1)
    assert dataset.labels == tuple("0123456789")
    pixels = np.concatenate([dataset.train.images, dataset.test.images])
    assert (pixels.min(), pixels.max()) == (0, 255)
    original = load_digits()
    # 0..16 in steps of 255/16: rounding back is exact, as half a level of 255 is far less than half a step.
    restored = np.rint(pixels[..., 0] * (16 / 255))
    assert sorted(map(bytes, restored.astype(np.uint8))) == sorted(map(bytes, original.images.astype(np.uint8)))


def test_the_split_holds_a_fifth_of_each_class_and_is_the_same_for_every_seed():
    first, second = load("digits", seed=1), load("digits", seed=2)
    assert np.array_equal(first.test.images, second.test.images)
    shares = np.bincount(first.test.labels) / np.bincount(np.r_[first.train.labels, first.test.labels])
    assert np.allclose(shares, 0.2, atol=0.5 / 174)  # rounded to an image; the smallest class has 174
