import hashlib
import importlib.util
import struct
from pathlib import Path

import numpy as np
import pytest

from edgecompress.data import load
from edgecompress.data.published.fashion_mnist import PUBLISHED
from edgecompress.data.published.idx_test import write_folder
from edgecompress.data.published.sources import SYSTEM_FOLDER

PACKAGE = SYSTEM_FOLDER / "fashion-mnist"
needs_package = pytest.mark.skipif(not PACKAGE.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")


@needs_package
def test_fashion_mnist_is_read_from_debians_package(tmp_path, monkeypatch):
    monkeypatch.delenv("EDGECOMPRESS_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    dataset = load("fashion_mnist")
    assert dataset.source == str(PACKAGE)
    assert dataset.train.images.shape == (60000, 28, 28, 1)
    # Known of Fashion-MNIST: equally many of each class, and the mean of the training pixels.
    assert np.bincount(dataset.train.labels).tolist() == [6000] * 10
    assert np.bincount(dataset.test.labels).tolist() == [1000] * 10
    assert round(dataset.train.images.mean() / 255, 4) == 0.2860
    assert dataset.labels[9] == "Ankle boot"


@needs_package
@pytest.mark.parametrize("item", PUBLISHED.downloads, ids=lambda item: Path(item.path).name)
def test_the_hashes_are_those_of_the_files_in_the_package_with_the_authors_gzip_header(item):
    name = Path(item.path).name
    packed = (PACKAGE / name).read_bytes()
    # Debian packed with the same deflate again, without name and date; these are the dates in the authors' files.
    date = {"train": 1504176606, "t10k-": 1504176627}[name[:5]]
    header = struct.pack("<4sIBB", b"\x1f\x8b\x08\x08", date, 0, 3) + name.removesuffix(".gz").encode() + b"\0"
    original = header + packed[10:]
    assert hashlib.sha256(original).hexdigest() == item.sha256
    assert len(original) == item.size_bytes


@pytest.mark.parametrize("folder", ["fashion-mnist", "fashion_mnist", "FashionMNIST/raw", "."])
def test_idx_files_are_found_below_and_in_the_data_dir(tmp_path, folder):
    write_folder(tmp_path / folder)
    dataset = load("fashion_mnist", data_dir=tmp_path)
    assert dataset.source == str(tmp_path / folder)
    assert dataset.labels[dataset.train.labels[1]] == "Trouser"


def test_the_downloads_are_those_that_tf_keras_names():
    text = (Path(importlib.util.find_spec("tf_keras").origin).parent / "src/datasets/fashion_mnist.py").read_text()
    for item in PUBLISHED.downloads:
        base, _, name = item.url.rpartition("/")
        assert f'"{base}/"' in text
        assert f'"{name}"' in text
