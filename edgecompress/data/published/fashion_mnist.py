"""Fashion-MNIST: 70,000 pictures of clothes in ten classes (Xiao, Rasul and Vollgraf, arXiv:1708.07747)."""

from __future__ import annotations

from edgecompress.data.base import Dataset, Loader, Request
from edgecompress.data.published import idx
from edgecompress.data.published.download import Download
from edgecompress.data.published.sources import Published, find

LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def _download(name: str, sha256: str, size_bytes: int) -> Download:
    address = f"https://storage.googleapis.com/tensorflow/tf-keras-datasets/{name}"
    return Download(f"fashion-mnist/{name}", address, sha256, size_bytes)


PUBLISHED = Published(
    name="fashion_mnist",
    forms=(
        ("fashion-mnist", idx.read_idx_folder),  # Keras' cache and Debian's package
        ("fashion_mnist", idx.read_idx_folder),
        ("FashionMNIST/raw", idx.read_idx_folder),
    ),
    folder=idx.read_idx_folder,
    # The addresses are those of tf_keras, which gives no hash. These hashes belong to the files whose MD5 the authors
    # publish; Debian's package holds the same deflate streams without the file name in the gzip header.
    downloads=(
        _download(
            "train-images-idx3-ubyte.gz", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26421880
        ),
        _download(
            "train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29515
        ),
        _download(
            "t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4422102
        ),
        _download(
            "t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5148
        ),
    ),
    advice="On Debian or Ubuntu: apt-get install dataset-fashion-mnist.",
)


def read(request: Request) -> Dataset:
    """Find Fashion-MNIST and read it."""
    (train, test), source = find(PUBLISHED, data_dir=request.data_dir, on_progress=request.on_progress)
    return Dataset("fashion_mnist", train, test, LABELS, 1, source)


FASHION_MNIST = Loader("fashion_mnist", "70,000 pictures of clothes, 28x28 gray", read)
