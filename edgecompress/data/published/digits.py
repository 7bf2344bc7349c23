"""The 1,797 handwritten digits of 8 x 8 pixels that scikit-learn carries: the data set that is always there."""

from __future__ import annotations

import numpy as np

from edgecompress.data.base import Dataset, Loader, Request, Split
from edgecompress.data.stratified import stratified_split

# Not the caller's seed: results of different runs are comparable only on one test split.
SPLIT_SEED = 0


def read(request: Request) -> Dataset:
    """Scale the pixels 0..16 to 0..255 and hold out a fixed, stratified fifth for the test."""
    import sklearn
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    labels = tuple(str(name) for name in digits.target_names)
    train, test = stratified_split(Split(pixels, digits.target.astype(np.int64)), names=labels, seed=SPLIT_SEED)
    return Dataset("digits", train, test, labels, 1, f"scikit-learn {sklearn.__version__}")


DIGITS = Loader("digits", "1,797 handwritten digits, 8x8 gray, bundled with scikit-learn", read)
