"""What is trained on: images and labels, those that only score the epochs, and the order in which they come."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgecompress.data import Split
from edgecompress.data.preprocessing import fit_pixels, scale_pixels
from edgecompress.data.rows import Images
from edgecompress.data.stratified import stratified_split
from edgecompress.training.augmentation import Augmentation
from edgecompress.values import Preprocessing

UNCHANGED = Augmentation()
HELD_OUT = 0.05  # share of the training split that only scores the epochs

Batch = tuple[np.ndarray, np.ndarray]  # inputs of the model, labels


@dataclass(frozen=True)
class TrainingData:
    """Pixels as the model's input wants them (uint8, N x H x W x C) and labels, to train on and to score with."""

    pixels: Images
    labels: np.ndarray
    held_pixels: Images
    held_labels: np.ndarray
    preprocessing: Preprocessing


def training_data(
    split: Split, preprocessing: Preprocessing, *, names: Sequence[str], seed: int, held_out: Split | None = None
) -> TrainingData:
    """Fit the images to the model's input once, and hold out a seeded share of every class to score the epochs.

    Where the data says itself what is held out, that is taken. Where a class has a single image, nothing can be spared,
    and the training images score the epochs.
    """
    if held_out is not None:
        kept, held = split, held_out
    elif np.bincount(split.labels, minlength=len(names)).min() < 2:
        kept, held = split, split
    else:
        kept, held = stratified_split(split, names=names, seed=seed, fraction=HELD_OUT)
    return TrainingData(
        fit_pixels(kept.images, preprocessing),
        kept.labels,
        fit_pixels(held.images, preprocessing),
        held.labels,
        preprocessing,
    )


def steps_per_epoch(samples: int, batch_size: int) -> int:
    """Return how many batches an epoch has; the last one may be smaller."""
    return math.ceil(samples / batch_size)


def batches(
    data: TrainingData, *, batch_size: int, seed: int, epoch: int, augmentation: Augmentation = UNCHANGED
) -> Iterator[Batch]:
    """Yield an epoch's batches; order and augmentation depend on seed and epoch only, so that it can be resumed."""
    order = np.random.default_rng((seed, epoch)).permutation(len(data.labels))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        pixels = augmentation.applied(data.pixels[chosen], np.random.default_rng((seed, epoch, start)))
        yield scale_pixels(pixels, data.preprocessing), data.labels[chosen]


def held_batches(data: TrainingData, *, batch_size: int) -> Iterator[Batch]:
    """Yield the images that score an epoch."""
    for start in range(0, len(data.held_labels), batch_size):
        part = slice(start, start + batch_size)
        yield scale_pixels(data.held_pixels[part], data.preprocessing), data.held_labels[part]
