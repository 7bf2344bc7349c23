"""The one fit loop: it trains whatever a method prepared, and can be killed at any moment."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecompress.environment import keras_of, load_tensorflow
from edgecompress.errors import TrainingError
from edgecompress.methods.protocol import Prepared
from edgecompress.progress import Progress, silent
from edgecompress.storage import write_text
from edgecompress.tasks.losses import USUAL, Loss
from edgecompress.training.augmentation import Augmentation
from edgecompress.training.batches import UNCHANGED, TrainingData, batches, held_batches, steps_per_epoch
from edgecompress.training.checkpoint import History, restore, save
from edgecompress.training.schedule import cosine_with_warmup
from edgecompress.training.stepper import Stepper


@dataclass(frozen=True)
class Training:
    """One training: its name, its length, its learning rate, its seed, how its images are changed, what it minimizes.

    With `patience` it ends where so many epochs in a row were no better on the images held out than one before, and the
    weights of the best epoch count.
    """

    name: str
    epochs: int
    batch_size: int
    learning_rate: float
    warmup_epochs: float
    seed: int
    augmentation: Augmentation = UNCHANGED
    loss: Loss = USUAL
    patience: int = 0

    def is_over(self, history: History) -> bool:
        """Return whether these were the last epochs."""
        enough = self.patience and history and len(history) - best_epoch(history) >= self.patience
        return len(history) >= self.epochs or bool(enough)

    def rate(self, step: int, steps_per_epoch: int) -> float:
        """Return the learning rate of a step of the whole training."""
        return cosine_with_warmup(
            step,
            steps=self.epochs * steps_per_epoch,
            warmup_steps=round(self.warmup_epochs * steps_per_epoch),
            peak=self.learning_rate,
        )


def fit(
    prepared: Prepared,
    data: TrainingData,
    training: Training,
    folder: Path,
    *,
    on_epoch: Callable[[History], None],
    on_progress: Progress = silent,
) -> None:
    """Train in place; after each epoch `on_epoch` is given the records of all epochs so far.

    After every epoch `folder/last.npz` holds all that the training changes (masks, ranges and the states of random
    numbers included) and the history, written whole; a later call with the same arguments goes on from there. Without
    patience the weights of the last epoch count, not the best ones: the learning rate ends at zero, and a choice by
    held-out images would flatter them. With it, `folder/best.npz` holds the best ones.

    Raises:
        TrainingError: the loss is not a number, or the checkpoint belongs to another model.
    """
    keras_of(prepared.model).utils.set_random_seed(training.seed)
    load_tensorflow().config.experimental.enable_op_determinism()
    stepper, last, best = Stepper(prepared, training.loss), folder / "last.npz", folder / "best.npz"
    history = restore(stepper.variables, last)
    on_epoch(history)
    if not training.is_over(history):
        stepper.begin(len(history) * steps_per_epoch(len(data.labels), training.batch_size))
    while not training.is_over(history):
        history.append(_epoch(stepper, data, training, len(history), on_progress))
        if training.patience and best_epoch(history) == len(history):
            save(stepper.variables, history, best)
        save(stepper.variables, history, last)
        on_epoch(history)
    if training.patience:
        restore(stepper.variables, best)


def best_epoch(history: History) -> int:
    """Return the number, from 1 on, of the first epoch with the best accuracy on the images held out."""
    return 1 + max(range(len(history)), key=lambda index: history[index]["held_out_accuracy"])


def held_out_accuracy(prepared: Prepared, data: TrainingData, training: Training) -> float:
    """Return the accuracy on the images held out, before any training."""
    stepper = Stepper(prepared, training.loss)
    return _held_out(stepper, data, training)


def _epoch(
    stepper: Stepper, data: TrainingData, training: Training, epoch: int, on_progress: Progress
) -> dict[str, Any]:
    steps = steps_per_epoch(len(data.labels), training.batch_size)
    losses, right, rate = 0.0, 0.0, 0.0
    parts = batches(
        data,
        batch_size=training.batch_size,
        seed=training.seed,
        epoch=epoch,
        augmentation=training.augmentation,
    )
    for index, (inputs, labels) in enumerate(parts):
        done = epoch * steps + index
        rate = training.rate(done, steps)
        loss, found = stepper.step(inputs, labels, done=done, learning_rate=rate)
        if not math.isfinite(loss):
            raise TrainingError(
                f"The loss is {loss} in epoch {epoch + 1}, step {index + 1} of '{training.name}', "
                f"at a learning rate of {rate:.2g}.",
                hint=f"Try --learning-rate {training.learning_rate / 10:.2g}, or a longer warm-up; the last good epoch "
                "is kept as a checkpoint.",
            )
        losses, right = losses + loss * len(labels), right + found
        on_progress(f"{training.name}: epoch {epoch + 1}/{training.epochs}", index + 1, steps)
    return {
        "stage": training.name,
        "epoch": epoch + 1,
        "loss": losses / len(data.labels),
        "accuracy": right / len(data.labels),
        "learning_rate": rate,
        "held_out_accuracy": _held_out(stepper, data, training),
    }


def _held_out(stepper: Stepper, data: TrainingData, training: Training) -> float:
    right = sum(stepper.score(*batch) for batch in held_batches(data, batch_size=training.batch_size))
    return right / len(data.held_labels)


def write_history(path: Path, history: History) -> None:
    """Write the records of all stages as JSON lines."""
    write_text(path, "".join(json.dumps(record) + "\n" for record in history))
