"""What is trained on: samples and labels, those that only score the epochs, and the order in which they come."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgecompress.data import Split
from edgecompress.data.intake import fitted, model_inputs
from edgecompress.data.records import are_records
from edgecompress.data.rows import Images
from edgecompress.data.stratified import stratified_split
from edgecompress.training.augmentation import Augmentation
from edgecompress.values import Intake

UNCHANGED = Augmentation()
HELD_OUT = 0.05  # share of the training split that only scores the epochs

Batch = tuple[tuple[np.ndarray, ...], np.ndarray]  # inputs of the model, labels


@dataclass(frozen=True)
class TrainingData:
    """Samples, fitted to what the model takes, and labels, to train on and to score with."""

    samples: Images
    labels: np.ndarray
    held_samples: Images
    held_labels: np.ndarray
    intake: Intake


def training_data(
    split: Split, intake: Intake, *, names: Sequence[str], seed: int, held_out: Split | None = None
) -> TrainingData:
    """Fit the samples to the model's input once, and hold out a seeded share of every class to score the epochs.

    Where the data says itself what is held out, that is taken. Where a class has a single sample, nothing can be
    spared, and the training samples score the epochs.
    """
    if held_out is not None:
        kept, held = split, held_out
    elif len(split) < 2 or (split.labels.ndim == 1 and np.bincount(split.labels, minlength=len(names)).min() < 2):
        kept, held = split, split
    else:
        kept, held = stratified_split(split, names=names, seed=seed, fraction=HELD_OUT)
    return TrainingData(
        fitted(kept.images, intake),
        kept.labels,
        fitted(held.images, intake),
        held.labels,
        intake,
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
        samples = data.samples[chosen]
        if not are_records(samples):
            samples = augmentation.applied(samples, np.random.default_rng((seed, epoch, start)))
        yield model_inputs(samples, data.intake), data.labels[chosen]


def held_batches(data: TrainingData, *, batch_size: int) -> Iterator[Batch]:
    """Yield the samples that score an epoch."""
    for start in range(0, len(data.held_labels), batch_size):
        part = slice(start, start + batch_size)
        yield model_inputs(data.held_samples[part], data.intake), data.held_labels[part]
