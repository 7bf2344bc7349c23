"""MNIST: 70,000 handwritten digits (LeCun, Cortes and Burges, 1998), as Keras' archive or as idx files."""

from __future__ import annotations

from edgecompress.data import npz
from edgecompress.data.base import Dataset, Loader, Request
from edgecompress.data.published import idx
from edgecompress.data.published.download import Download
from edgecompress.data.published.sources import Published, find

PUBLISHED = Published(
    name="mnist",
    forms=(
        ("mnist.npz", npz.read_splits),
        ("mnist", idx.read_idx_folder),
        ("MNIST/raw", idx.read_idx_folder),
    ),
    folder=idx.read_idx_folder,
    # Address and hash as in tf_keras.datasets.mnist.
    downloads=(
        Download(
            "mnist.npz",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
            "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
            11490434,
        ),
    ),
)


def read(request: Request) -> Dataset:
    """Find MNIST and read it."""
    (train, test), source = find(PUBLISHED, data_dir=request.data_dir, on_progress=request.on_progress)
    return Dataset("mnist", train, test, tuple("0123456789"), 1, source)


MNIST = Loader("mnist", "70,000 handwritten digits, 28x28 gray", read)
