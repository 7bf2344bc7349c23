"""How far each layer of a trained network can be pruned on its own, and all of them together."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecompress.data import Dataset
from edgecompress.data.intake import fitted, model_inputs
from edgecompress.data.rows import Images
from edgecompress.data.stratified import stratified_order
from edgecompress.errors import DataError, MethodError, RunFolderError
from edgecompress.keras_bridge.graph import copy_model
from edgecompress.keras_bridge.splitting.separable import split_separable
from edgecompress.keras_types import Model
from edgecompress.loading import load_model
from edgecompress.methods.pruning.sensitivity import SPARSITIES, proposal, prunable_layers, pruned, scan
from edgecompress.numerics.paired import MOST_IMAGES, PairedDrop, finest_drop, images_to_tell, paired_drop
from edgecompress.pipeline.networks.opened import build_model, open_data
from edgecompress.pipeline.networks.task import require_fit, task_of_run
from edgecompress.pipeline.train import load_for
from edgecompress.progress import Progress, silent
from edgecompress.recipes import DataSection, ModelSection, Recipe, TrainSection, load_recipe
from edgecompress.runs.folder import open_run
from edgecompress.tasks import Task, rightness
from edgecompress.values import Intake, LayerNote
from edgecompress.verification import CHUNK, Accuracy, accuracy_of

IMAGES = 1000
Range = tuple[float, float]


@dataclass(frozen=True)
class LayerSensitivity:
    """One layer pruned alone: the accuracy at each sparsity, and the largest at which, as below it, the drop holds."""

    layer: str
    weights: int
    accuracies: tuple[Accuracy, ...]
    proposal: float  # 0: not even the smallest sparsity holds
    drops: tuple[PairedDrop, ...] = ()  # below `dense`, on the same images

    def drop_at(self, sparsities: Sequence[float]) -> PairedDrop | None:
        """Return the drop at the proposal; None where there is no proposal."""
        return self.drops[sparsities.index(self.proposal)] if self.proposal and self.drops else None


@dataclass(frozen=True)
class Sensitivity:
    """What a scan found; no figure is after any retraining."""

    model: str
    data: str
    max_drop: float  # percentage points below `dense`
    sparsities: tuple[float, ...]
    dense: Accuracy
    layers: tuple[LayerSensitivity, ...]
    joint: Accuracy  # all layers at their proposals
    joint_sparsity: float  # share of all their weights that is then zero
    skipped: tuple[LayerNote, ...]
    joint_drop: PairedDrop | None = None

    def undecided(self) -> tuple[str, ...]:
        """Return the layers whose proposal may cost more than the limit, as far as so many images can tell."""
        found = ((each.layer, each.drop_at(self.sparsities)) for each in self.layers)
        return tuple(layer for layer, drop in found if drop is not None and drop.high > self.max_drop)

    def doubts(self) -> list[str]:
        """Say, in sentences, what the images cannot tell, and how many more would."""
        images, limit = self.dense.samples, self.max_drop / 100
        finest = finest_drop(images)
        if finest > limit:
            more = f"{images_to_tell(0, 0, 1, limit):,} images or more could" if limit else "No number of images could"
            return [
                f"The limit of {self.max_drop:g} points is below what {images:,} images can resolve: a layer that "
                f"changes no answer on them may still cost {100 * finest:.2f} points. {more} tell (--limit)."
            ]
        layers = self.undecided()
        if not layers:
            return []
        drops = [each.drop_at(self.sparsities) for each in self.layers if each.layer in layers]
        needed_each = sorted(drop.images_to_tell(self.max_drop) or MOST_IMAGES for drop in drops if drop)
        half = needed_each[(len(needed_each) - 1) // 2]
        return [
            f"Of {len(self.layers)} proposals {len(layers)} may cost more than {self.max_drop:g} points (≈): on "
            f"{images:,} images one cannot tell."
            + (f" About {half:,} would tell for half of them (--limit)." if half < MOST_IMAGES else "")
        ]

    def recipe_line(self) -> str:
        """Return the proposals as the line of TOML that `iterative_pruning` takes in a recipe."""
        entries = (f"{_toml_key(re.escape(each.layer))} = {each.proposal:g}" for each in self.layers)
        return f"sparsities = {{ {', '.join(entries)} }}"


@dataclass(frozen=True, eq=False)
class _Subject:
    model: Model
    dataset: Dataset
    intake: Intake
    task: Task
    seed: int


def find_sensitivity(
    path: Path,
    *,
    data: str = "",
    data_dir: str = "",
    limit: int = IMAGES,
    max_drop: float = 1.0,
    resolution: int | None = None,
    input_range: Range | None = None,
    loss: str = "",
    on_progress: Progress = silent,
) -> Sensitivity:
    """Scan a run's dense model, or a model file, on `limit` images of the training split.

    Not of the test split: what was chosen by the test images would look better on them than it is. A run's images are
    first those that its training held out to score the epochs. Without `data`, a run's own is taken. `resolution`
    is the side of a file's images, if they may be of any size, `input_range` what it takes pixels 0..255 as, if its
    first layer does not tell, and `loss` what it was trained by, if neither the file nor the labels tell.

    Raises:
        DataError: a file is given without data, or the data does not fit the model.
        MethodError: no layer can be pruned.
        ModelFileError, RunFolderError, UnsupportedModelError: as their names say.
    """
    if path.is_dir():
        subject = _of_run(path, data, data_dir, on_progress)
    else:
        section = ModelSection(file=str(path), resolution=resolution, input_range=input_range)
        subject = _of_file(section, data, data_dir, loss, on_progress)
    model = split_separable(copy_model(subject.model))
    weights, skipped = prunable_layers(model)
    if not weights:
        reasons = "; ".join(f"{note.layer}: {note.reason}" for note in skipped) or "it has no kernel"
        raise MethodError(f"Nothing in '{path}' can be pruned ({reasons}).", hint="Give the float model.")
    train = subject.dataset.train
    # Held-out images come first in the order of the same seed: they are a prefix of the same permutation of each class.
    order = stratified_order(train.labels, seed=subject.seed)[:limit]
    samples, labels = fitted(train.images[order], subject.intake), train.labels[order]
    total, done = 2 + len(weights) * len(SPARSITIES), 0

    def measure(model: Model) -> np.ndarray:
        nonlocal done
        done += 1
        on_progress("pruning layers one by one", done, total)
        return rightness(subject.task, _scores(model, samples, subject.intake), labels)

    dense = measure(model)
    found = scan(model, tuple(weights), measure, sparsities=SPARSITIES)
    drops = {layer: tuple(paired_drop(dense, each) for each in flags) for layer, flags in found.items()}
    proposals = {
        layer: proposal(SPARSITIES, [drop.points for drop in each], max_drop=max_drop) for layer, each in drops.items()
    }
    with pruned(model, proposals):
        joint = measure(model)
    return Sensitivity(
        model=str(path),
        data=f"{subject.dataset.name} training split, {len(order)} of {len(train)} images",
        max_drop=max_drop,
        sparsities=SPARSITIES,
        dense=accuracy_of(dense),
        layers=tuple(
            LayerSensitivity(
                layer, weights[layer], tuple(map(accuracy_of, found[layer])), proposals[layer], drops[layer]
            )
            for layer in weights
        ),
        joint=accuracy_of(joint),
        joint_sparsity=sum(weights[layer] * proposals[layer] for layer in weights) / sum(weights.values()),
        skipped=skipped,
        joint_drop=paired_drop(dense, joint),
    )


def _of_run(path: Path, data: str, data_dir: str, on_progress: Progress) -> _Subject:
    run = open_run(path)
    if not run.recipe.exists() or not run.model("dense").exists():
        raise RunFolderError(
            f"'{path}' holds no trained model.", hint="Finish its training with --resume, or give a model file."
        )
    intake, task, recipe = run.intake(), task_of_run(run), load_recipe(run.recipe)
    section = DataSection(name=data or recipe.data.name, directory=data_dir or recipe.data.directory)
    own = run if section == recipe.data else None  # other data need not be what it was trained on
    changed = recipe.model_copy(update={"data": section})
    dataset = load_for(changed, intake, task, run=own, on_progress=on_progress)
    model = load_model(run.model("dense"))
    require_fit(task, model.outputs[0].shape[1:], dataset, name=str(path))
    return _Subject(model, dataset, intake, task, recipe.train.seed)


def _of_file(section: ModelSection, data: str, data_dir: str, loss: str, on_progress: Progress) -> _Subject:
    if not data:
        raise DataError("Images are needed to measure accuracy.", hint="Name them: `--data fashion_mnist`.")
    recipe = Recipe(
        model=section, data=DataSection(name=data, directory=data_dir), train=TrainSection(seed=0, loss=loss)
    )
    opened = open_data(recipe, on_progress=on_progress)
    model, _ = build_model(recipe, opened)
    return _Subject(model, opened.dataset, opened.intake, opened.task, recipe.train.seed)


def _scores(model: Model, samples: Images, intake: Intake) -> np.ndarray:
    scores = []
    for start in range(0, len(samples), CHUNK):
        inputs = model_inputs(samples[start : start + CHUNK], intake)
        scores.append(model.predict_on_batch(list(inputs) if len(inputs) > 1 else inputs[0]))
    return np.concatenate(scores)


def _toml_key(text: str) -> str:
    # JSON's strings are TOML's, but for one control character that JSON need not escape.
    return json.dumps(text).replace("\x7f", "\\u007f")
