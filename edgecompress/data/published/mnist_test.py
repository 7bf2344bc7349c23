import importlib.util
from pathlib import Path

import numpy as np
import pytest

from edgecompress.data import load
from edgecompress.data.published.idx_test import write_folder
from edgecompress.data.published.mnist import PUBLISHED

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"


@pytest.mark.skipif(not (SHARED / "mnist.npz").exists(), reason="shared/data/mnist.npz is not beside the checkout")
def test_mnist_is_read_from_keras_archive():
    dataset = load("mnist", data_dir=SHARED)
    assert dataset.train.images.shape == (60000, 28, 28, 1)
    assert dataset.test.images.shape == (10000, 28, 28, 1)
    # Known of MNIST: how often each digit occurs, and the mean of the training pixels.
    assert np.bincount(dataset.train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert round(dataset.train.images.mean() / 255, 4) == 0.1307
    assert dataset.source == str(SHARED / "mnist.npz")


@pytest.mark.parametrize("folder", ["mnist", "MNIST/raw", "."])
def test_idx_files_are_found_below_and_in_the_data_dir(tmp_path, folder):
    write_folder(tmp_path / folder)
    dataset = load("mnist", data_dir=tmp_path)
    assert dataset.source == str(tmp_path / folder)
    assert dataset.labels[dataset.train.labels[3]] == "3"


def test_the_download_is_the_one_that_tf_keras_names():
    text = (Path(importlib.util.find_spec("tf_keras").origin).parent / "src/datasets/mnist.py").read_text()
    (item,) = PUBLISHED.downloads
    assert item.sha256 in text
    assert item.url.removesuffix("mnist.npz") in text
