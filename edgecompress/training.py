"""The one fit loop: it trains whatever a method prepared, and can be killed at any moment."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.data import Split
from edgecompress.data.preprocessing import fit_pixels, scale_pixels
from edgecompress.data.stratified import stratified_split
from edgecompress.environment import load_tensorflow, load_tf_keras
from edgecompress.errors import TrainingError
from edgecompress.methods.protocol import Prepared
from edgecompress.progress import Progress, silent
from edgecompress.storage import write_bytes, write_text
from edgecompress.training_schedule import cosine_with_warmup
from edgecompress.values import Preprocessing

HELD_OUT = 0.05  # share of the training split that only scores the epochs


@dataclass(frozen=True)
class TrainingData:
    """Pixels as the model's input wants them (uint8, N x H x W x C) and labels, to train on and to score with."""

    pixels: np.ndarray
    labels: np.ndarray
    held_pixels: np.ndarray
    held_labels: np.ndarray
    preprocessing: Preprocessing


def training_data(split: Split, preprocessing: Preprocessing, *, names: Sequence[str], seed: int) -> TrainingData:
    """Fit the images to the model's input once, and hold out a seeded share of every class to score the epochs.

    Where a class has a single image, nothing can be spared, and the training images score the epochs.
    """
    single = np.bincount(split.labels, minlength=len(names)).min() < 2
    kept, held = (split, split) if single else stratified_split(split, names=names, seed=seed, fraction=HELD_OUT)
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


@dataclass(frozen=True)
class Training:
    """One training: its name, its length, its learning rate and its seed."""

    name: str
    epochs: int
    batch_size: int
    learning_rate: float
    warmup_epochs: float
    seed: int

    def steps_per_epoch(self, samples: int) -> int:
        """Return how many batches an epoch has."""
        return steps_per_epoch(samples, self.batch_size)


def fit(
    prepared: Prepared,
    data: TrainingData,
    training: Training,
    folder: Path,
    *,
    on_epoch: Callable[[list[dict[str, Any]]], None],
    on_progress: Progress = silent,
) -> None:
    """Train in place; after each epoch `on_epoch` is given the records of all epochs so far.

    After every epoch `folder/last.npz` holds all weights (masks and ranges included), the optimizer's state and the
    history, written whole; a later call with the same arguments goes on from there. The weights of the last epoch
    count, not the best ones: the learning rate ends at zero, and a choice by held-out images would flatter them.

    Raises:
        TrainingError: the loss is not a number, or the checkpoint belongs to another model.
    """
    keras = load_tf_keras()
    keras.utils.set_random_seed(training.seed)
    load_tensorflow().config.experimental.enable_op_determinism()
    model = prepared.model
    model.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    history = _restore(model, folder / "last.npz")
    on_epoch(history)
    if len(history) >= training.epochs:
        return
    steps = training.steps_per_epoch(len(data.labels))
    callbacks = keras.callbacks.CallbackList(list(prepared.callbacks), model=model)
    callbacks.on_train_begin()
    for epoch in range(len(history), training.epochs):
        callbacks.on_epoch_begin(epoch)
        record = _epoch(model, data, training, epoch, steps, callbacks, on_progress)
        callbacks.on_epoch_end(epoch)
        record["held_out_accuracy"] = _accuracy(model, data, training.batch_size)
        history.append(record)
        _save(model, history, folder / "last.npz")
        on_epoch(history)
    callbacks.on_train_end()


def _epoch(
    model: Any, data: TrainingData, training: Training, epoch: int, steps: int, callbacks: Any, on_progress: Progress
) -> dict[str, Any]:
    model.reset_metrics()
    logs: dict[str, float] = {}
    rate = 0.0
    for index, (inputs, labels) in enumerate(batches(data, training, epoch)):
        rate = cosine_with_warmup(
            epoch * steps + index,
            steps=training.epochs * steps,
            warmup_steps=round(training.warmup_epochs * steps),
            peak=training.learning_rate,
        )
        model.optimizer.learning_rate.assign(rate)
        callbacks.on_train_batch_begin(index)
        logs = model.train_on_batch(inputs, labels, reset_metrics=False, return_dict=True)
        callbacks.on_train_batch_end(index, logs)
        if not math.isfinite(logs["loss"]):
            raise TrainingError(
                f"The loss is {logs['loss']} in epoch {epoch + 1}, step {index + 1} of '{training.name}', "
                f"at a learning rate of {rate:.2g}.",
                hint=f"Try --learning-rate {training.learning_rate / 10:.2g}, or a longer warm-up; the last good epoch "
                "is kept as a checkpoint.",
            )
        on_progress(f"{training.name}: epoch {epoch + 1}/{training.epochs}", index + 1, steps)
    return {
        "stage": training.name,
        "epoch": epoch + 1,
        "loss": float(logs["loss"]),
        "accuracy": float(logs["accuracy"]),
        "learning_rate": rate,
    }


def batches(data: TrainingData, training: Training, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield an epoch's batches in an order that depends on the seed and the epoch only, so that it can be resumed."""
    order = np.random.default_rng((training.seed, epoch)).permutation(len(data.labels))
    for start in range(0, len(order), training.batch_size):
        chosen = order[start : start + training.batch_size]
        yield scale_pixels(data.pixels[chosen], data.preprocessing), data.labels[chosen]


def _accuracy(model: Any, data: TrainingData, batch_size: int) -> float:
    right = 0
    for start in range(0, len(data.held_labels), batch_size):
        part = slice(start, start + batch_size)
        scores = model.predict_on_batch(scale_pixels(data.held_pixels[part], data.preprocessing))
        right += int((scores.argmax(-1) == data.held_labels[part]).sum())
    return right / len(data.held_labels)


def _optimizer_variables(model: Any) -> list[Any]:
    variables = model.optimizer.variables
    return list(variables() if callable(variables) else variables)


def _arrays(groups: dict[str, list[np.ndarray]], **more: Any) -> bytes:
    file = io.BytesIO()
    named: dict[str, Any] = {
        f"{group}_{index:04}": array for group, arrays in groups.items() for index, array in enumerate(arrays)
    }
    np.savez(file, **named, **more)
    return file.getvalue()


def _save(model: Any, history: list[dict[str, Any]], path: Path) -> None:
    state = {"weights": model.get_weights(), "optimizer": [v.numpy() for v in _optimizer_variables(model)]}
    write_bytes(path, _arrays(state, history=np.array(json.dumps(history))))


def _restore(model: Any, path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        with np.load(path, allow_pickle=False) as saved:
            model.set_weights([saved[name] for name in sorted(saved.files) if name.startswith("weights_")])
            state = [saved[name] for name in sorted(saved.files) if name.startswith("optimizer_")]
            for variable, value in zip(_optimizer_variables(model), state, strict=True):
                variable.assign(value)
            return json.loads(str(saved["history"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise TrainingError(
            f"The checkpoint '{path}' does not fit this model: {error}.",
            hint="It belongs to other settings; train into a new folder, or without --resume.",
        ) from error


def write_history(path: Path, history: list[dict[str, Any]]) -> None:
    """Write the records of all stages as JSON lines."""
    write_text(path, "".join(json.dumps(record) + "\n" for record in history))
