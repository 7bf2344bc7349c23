"""Recipe to trained models: the dense network first, then the chain of methods."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.data import Dataset
from edgecompress.data.intake import model_inputs
from edgecompress.environment import keras_of, load_keras
from edgecompress.errors import DataError
from edgecompress.keras_bridge.keras3_file import save_keras3
from edgecompress.keras_types import Model
from edgecompress.methods.compress import compress
from edgecompress.methods.protocol import Outcome, Prepared, Samples
from edgecompress.methods.step import Stage
from edgecompress.pipeline.check import check_training
from edgecompress.pipeline.claim import claim, release
from edgecompress.pipeline.networks.of_recipe import pinned
from edgecompress.pipeline.networks.opened import Opened, build_model, load_data, trained_layers
from edgecompress.pipeline.networks.task import wants_answers
from edgecompress.pipeline.stages import optimizer_steps, stage_folder, stage_name
from edgecompress.progress import Progress, Tell, duration, silent, untold
from edgecompress.recipes import Recipe, method_of
from edgecompress.runs.folder import RunFolder
from edgecompress.runs.generators import write_generators
from edgecompress.runs.working import working_in
from edgecompress.storage import written_whole
from edgecompress.tasks import Kind, Task
from edgecompress.tasks.losses import Loss, balanced, spreads
from edgecompress.tfmot.keras2_file import save_keras2
from edgecompress.tfmot.wrapping.translating import reset_names
from edgecompress.training.augmentation import Augmentation
from edgecompress.training.batches import TrainingData, training_data
from edgecompress.training.fit import Training, fit, held_out_accuracy, write_history
from edgecompress.values import Arrays, Intake


def train(
    recipe: Recipe, folder: Path, *, resume: bool = False, on_progress: Progress = silent, tell: Tell = untold
) -> RunFolder:
    """Train what the recipe says into `folder`, which afterwards holds the models, the history and the manifest.

    All that can be known is checked before anything is written. With `resume`, a run that was cut off goes on from its
    last finished epoch, and a finished one is left as it is. Where the folder holds the same dense training with
    another chain, only the steps are trained that were not trained so before. `tell` is given a line a stage and epoch.

    Raises:
        EdgeCompressError: the recipe does not fit its data, its network or itself.
        RunFolderError: the folder holds another run, or one that is not to be resumed, or is in use.
        TrainingError: the loss is not a number.
    """
    with working_in(folder) as run:
        recipe = pinned(recipe)
        opened = check_training(recipe, on_progress=on_progress)
        for sentence in opened.assumed(recipe):
            tell(sentence)
        gone = claim(run, recipe, opened.dataset.record, resume=resume)
        if gone:
            tell(f"Removed, as an earlier chain of methods had made it: {', '.join(gone)}")
        try:
            run.write("data", opened.dataset.record)
            _train(recipe, run, opened, on_progress, tell)
        finally:
            release(run)
    return run


def _train(recipe: Recipe, run: RunFolder, opened: Opened, on_progress: Progress, tell: Tell) -> None:
    load_keras().utils.clear_session(free_memory=False)  # names that Keras makes up end up in the files
    reset_names()
    model, notes = build_model(recipe, opened)
    dataset, intake, task = opened.dataset, opened.intake, opened.task
    data = training_data(dataset.train, intake, names=dataset.labels, seed=recipe.train.seed, held_out=dataset.held_out)
    weights = balanced(data.labels, len(dataset.labels)) if recipe.train.class_weights else ()
    loss = Loss(task, weights, spreads(data.labels) if task.kind is Kind.NUMBERS else ())
    trainer = _Trainer(recipe, run, data, dataset.record.sha256, loss, on_progress, tell)
    if opened.network.trained:
        trainer.tell_of(model)
    _train_dense(recipe, trainer, model, opened.network.head)
    trainer.save("dense", model)
    if recipe.compress:
        outcome = compress(model, method_of(recipe), trainer, on_stage=trainer.save_stage)
        notes += outcome.notes
        trainer.save("compressed", outcome.model)
        if outcome.generators:
            write_generators(run.model("compressed").with_suffix(".generators.npz"), outcome.generators)
        if outcome.quantized is not None:
            trainer.save("compressed.qat", outcome.quantized)
    run.write("notes", list(notes))
    run.write("preprocessing", intake)
    run.write("task", task)


def _train_dense(recipe: Recipe, trainer: _Trainer, model: Model, head: str) -> None:
    """Train the dense model, and if so asked first without and then with the layers that are to be frozen."""
    train = recipe.train
    trained = {layer.name for layer in trained_layers(recipe, model, head)}
    frozen = [layer for layer in model.layers if layer.name not in trained]
    for layer in frozen:
        layer.trainable = False  # so that its batch norms keep their statistics
    kept = tuple(variable for layer in frozen for variable in layer.variables)
    trainer.fit(0, Prepared(model, model, frozen=kept), train.epochs, train.learning_rate)
    for layer in frozen:
        layer.trainable = True
    if train.unfreeze_epochs:
        trainer.fit(0, Prepared(model, model), train.unfreeze_epochs, train.learning_rate / 10, name="unfrozen")


def load_for(
    recipe: Recipe, intake: Intake, task: Task, *, run: RunFolder | None = None, on_progress: Progress = silent
) -> Dataset:
    """Load the recipe's data set for the inputs of its model, and what that is to say.

    Raises:
        DataError: the data is missing, or is not what `run` was trained on: its test split may hold training images.
    """
    answers = wants_answers(task.loss)
    if isinstance(intake, Arrays):
        dataset = load_data(recipe, None, channels=None, inputs=intake.inputs, answers=answers, on_progress=on_progress)
    else:
        size = intake.height, intake.width
        dataset = load_data(recipe, size, channels=intake.channels, answers=answers, on_progress=on_progress)
    if run is not None and run.has("data") and run.read_data().sha256 != dataset.record.sha256:
        trained = run.read_data()
        raise DataError(
            f"'{dataset.name}' is not what '{run.path}' was trained on: {dataset.source} holds {len(dataset.train)} "
            f"training and {len(dataset.test)} test images now; {trained.train_images} and {trained.test_images} then.",
            hint="Bring the data back to what it was, or train anew on what it is.",
        )
    return dataset


@dataclass
class _Trainer:
    """Trains the stages of a run in order, and writes the history of all of them after each epoch."""

    recipe: Recipe
    run: RunFolder
    data: TrainingData
    data_sha256: str
    loss: Loss
    on_progress: Progress
    tell: Tell
    history: list[dict[str, Any]] = field(default_factory=list)
    began_s: float = field(default_factory=time.monotonic)
    trained_epochs: int = 0  # in this process
    kept_epochs: int = 0  # in earlier ones

    def optimizer_steps(self, stage: Stage) -> int:
        return optimizer_steps(self.recipe, stage, len(self.data.labels))

    def train(self, index: int, stage: Stage, prepared: Prepared) -> None:
        assert stage.epochs and stage.learning_rate  # resolved, as the method trains
        self.fit(index + 1, prepared, stage.epochs, stage.learning_rate)

    def samples(self, count: int) -> Samples:
        chosen = np.random.default_rng(self.recipe.train.seed).permutation(len(self.data.labels))[:count]
        return model_inputs(self.data.samples[chosen], self.data.intake)

    def tell_of(self, model: Model) -> None:
        """Tell how good a model is that was trained before, by which one sees that it is fed what it was made for."""
        train = self.recipe.train
        given = Training("as it came", 0, train.batch_size, train.learning_rate, 0, train.seed, loss=self.loss)
        self.tell(f"As it came: held out {held_out_accuracy(Prepared(model, model), self.data, given):.4f}")

    def fit(self, steps: int, prepared: Prepared, epochs: int, learning_rate: float, *, name: str = "") -> None:
        """Train the stage with which so many steps of the chain are done."""
        name, train = name or stage_name(self.recipe, steps), self.recipe.train
        before = list(self.history)
        restored: list[int] = []

        def record(records: list[dict[str, Any]]) -> None:
            self.history = before + records
            write_history(self.run.history, self.history)
            if restored:
                self.trained_epochs += 1
                self.tell(self._epoch_line(records[-1], epochs))
                return
            restored.append(len(records))
            self.kept_epochs += len(records)
            self.tell(f"{name}: {_plan(len(records), epochs)}")

        fit(
            prepared,
            self.data,
            Training(
                name,
                epochs,
                train.batch_size,
                learning_rate,
                train.warmup_epochs,
                train.seed,
                Augmentation(train.shift, train.crop, train.flip, train.colour),
                self.loss,
                0 if steps else train.early_stopping,
            ),
            self.run.checkpoints / stage_folder(self.recipe, steps, self.data_sha256, name=name),
            on_epoch=record,
            on_progress=self.on_progress,
        )

    def save(self, variant: str, model: Model) -> None:
        """Save a model, unless it is there and nothing has changed: HDF5 would write other bytes each time."""
        of_keras3 = keras_of(model) is load_keras()
        path = self.run.model(variant).with_name(f"{variant}.{'keras' if of_keras3 else 'h5'}")
        if self.trained_epochs or not path.exists():
            with written_whole(path) as beside:
                (save_keras3 if of_keras3 else save_keras2)(model, beside)

    def save_stage(self, index: int, outcome: Outcome) -> None:
        """Keep what a step made, if another one follows; the last one's is the compressed model."""
        if index + 1 < len(self.recipe.compress):
            self.save(f"step_{index + 1}", outcome.model)

    def _epoch_line(self, record: dict[str, Any], epochs: int) -> str:
        planned = (
            self.recipe.train.epochs
            + self.recipe.train.unfreeze_epochs
            + sum(section.epochs or 0 for section in self.recipe.compress)
        )
        elapsed_s = time.monotonic() - self.began_s
        left = planned - self.kept_epochs - self.trained_epochs
        remaining = f", about {duration(elapsed_s / self.trained_epochs * left)} remaining" if left > 0 else ""
        return (
            f"{record['stage']}: epoch {record['epoch']}/{epochs}, loss {record['loss']:.4f}, "
            f"{self.loss.task.kind.value} {record['accuracy']:.4f}, held out {record['held_out_accuracy']:.4f}; "
            f"{duration(elapsed_s)} elapsed{remaining}"
        )


def _plan(finished: int, epochs: int) -> str:
    if epochs and finished >= epochs:
        return "all epochs were finished before, and are kept"
    return f"goes on after epoch {finished} of {epochs}" if finished else f"{epochs} epoch{'' if epochs == 1 else 's'}"
