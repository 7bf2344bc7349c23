"""Recipe to trained models: the dense network first, then the chain of methods."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.data import Dataset, load
from edgecompress.data.preprocessing import scale_pixels, standard
from edgecompress.environment import load_tf_keras
from edgecompress.errors import RunFolderError
from edgecompress.generators import write_generators
from edgecompress.keras_bridge.load import save_model
from edgecompress.methods.base import Outcome, Prepared, compress
from edgecompress.progress import Progress, silent
from edgecompress.recipes import Recipe, load_recipe, method_of, to_toml
from edgecompress.runs import RunFolder
from edgecompress.storage import write_text, written_whole
from edgecompress.training import Stage, TrainingData, fit, training_data, write_history
from edgecompress.values import LayerNote, Preprocessing
from edgecompress.zoo import find
from edgecompress.zoo.weights import load_weights


def train(recipe: Recipe, folder: Path, *, resume: bool = False, on_progress: Progress = silent) -> RunFolder:
    """Train what the recipe says into `folder`, which afterwards holds the models, the history and the manifest.

    With `resume`, a run that was cut off goes on from its last finished epoch, and a finished one is left as it is.

    Raises:
        RunFolderError: the folder holds another run, or one that is not to be resumed.
        TrainingError: the loss is not a number.
    """
    run = RunFolder(folder)
    _claim(run, recipe, resume)
    load_tf_keras().backend.reset_uids()  # names that Keras makes up, such as quantize_layer_1, end up in the files
    dataset, preprocessing = load_for(recipe, on_progress=on_progress)
    model, notes = _build(recipe, dataset, preprocessing)
    data = training_data(dataset.train, preprocessing, names=dataset.labels, seed=recipe.train.seed)
    trainer = _Trainer(recipe, run, data, on_progress)
    trainer.fit("dense", Prepared(model, model), recipe.train.epochs, recipe.train.learning_rate)
    _save(run, "dense", model)
    if recipe.compress:
        outcome = compress(model, method_of(recipe), trainer, on_step=partial(_save_step, run, len(recipe.compress)))
        notes += outcome.notes
        _save(run, "compressed", outcome.model)
        if outcome.generators:
            write_generators(run.model("compressed").with_suffix(".generators.npz"), outcome.generators)
        if outcome.quantized is not None:
            _save(run, "compressed.qat", outcome.quantized)
    run.write("notes", list(notes))
    run.write("preprocessing", preprocessing)
    return run


def load_for(recipe: Recipe, *, on_progress: Progress = silent) -> tuple[Dataset, Preprocessing]:
    """Load the recipe's data set, and say how its images become the model's input."""
    architecture = find(recipe.model.architecture)
    resolution = recipe.model.resolution or architecture.default_resolution
    dataset = load(
        recipe.data.name,
        data_dir=Path(recipe.data.directory) if recipe.data.directory else None,
        resolution=resolution,
        channels=recipe.model.channels,
        seed=recipe.train.seed,
        progress=on_progress,
    )
    preprocessing = standard(
        dataset, resolution=resolution, channels=recipe.model.channels, input_range=architecture.input_range
    )
    return dataset, preprocessing


@dataclass
class _Trainer:
    """Trains the stages of a run in order, and writes the history of all of them after each epoch."""

    recipe: Recipe
    run: RunFolder
    data: TrainingData
    on_progress: Progress
    history: list[dict[str, Any]] = field(default_factory=list)

    def optimizer_steps(self, index: int) -> int:
        section = self.recipe.compress[index]
        return section.epochs * self._stage("", section.epochs, 0.0).steps_per_epoch(len(self.data.labels))

    def train(self, index: int, prepared: Prepared) -> None:
        section = self.recipe.compress[index]
        self.fit(f"{index + 1}-{section.method}", prepared, section.epochs, section.learning_rate)

    def calibration(self, count: int) -> np.ndarray:
        chosen = np.random.default_rng(self.recipe.train.seed).permutation(len(self.data.labels))[:count]
        return scale_pixels(self.data.pixels[chosen], self.data.preprocessing)

    def fit(self, name: str, prepared: Prepared, epochs: int, learning_rate: float) -> None:
        before = list(self.history)

        def record(records: list[dict[str, Any]]) -> None:
            self.history = before + records
            write_history(self.run.history, self.history)

        fit(
            prepared,
            self.data,
            self._stage(name, epochs, learning_rate),
            self.run.checkpoints / name,
            on_epoch=record,
            on_progress=self.on_progress,
        )

    def _stage(self, name: str, epochs: int, learning_rate: float) -> Stage:
        train = self.recipe.train
        return Stage(name, epochs, train.batch_size, learning_rate, train.warmup_epochs, train.seed)


def _claim(run: RunFolder, recipe: Recipe, resume: bool) -> None:
    if run.recipe.exists():
        if not resume:
            raise RunFolderError(
                f"'{run.path}' holds a run already.",
                hint="Continue it with --resume, or choose another folder with --out.",
            )
        held = load_recipe(run.recipe)
        if (held.model, held.data, held.train, held.compress) != (
            recipe.model,
            recipe.data,
            recipe.train,
            recipe.compress,
        ):
            raise RunFolderError(
                f"'{run.path}' holds a run of another recipe.",
                hint=f"Compare with {run.recipe}, or choose another folder with --out.",
            )
    elif run.path.is_dir() and any(run.path.iterdir()):
        raise RunFolderError(f"'{run.path}' is not empty and not a run.", hint="Choose another folder with --out.")
    write_text(run.recipe, to_toml(recipe))


def _build(recipe: Recipe, dataset: Dataset, preprocessing: Preprocessing) -> tuple[Any, tuple[LayerNote, ...]]:
    architecture = find(recipe.model.architecture)
    load_tf_keras().utils.set_random_seed(recipe.train.seed)
    model = architecture.build(
        resolution=preprocessing.height,
        channels=preprocessing.channels,
        classes=len(dataset.labels),
        **recipe.model.options,
    )
    return model, load_weights(model, recipe.model.weights) if recipe.model.weights else ()


def _save_step(run: RunFolder, steps: int, index: int, outcome: Outcome) -> None:
    """Keep what a step made, if another one follows; the last one's is the compressed model."""
    if index + 1 < steps:
        _save(run, f"step_{index + 1}", outcome.model)


def _save(run: RunFolder, variant: str, model: Any) -> None:
    with written_whole(run.model(variant)) as beside:
        save_model(model, beside)
