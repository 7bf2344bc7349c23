"""What a training begins with: a network and its data, opened, and what it is to learn of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from edgecompress.data import Dataset, load
from edgecompress.data.npz import is_archive_of_arrays
from edgecompress.data.preprocessing import standard
from edgecompress.environment import load_keras
from edgecompress.errors import DataError, RecipeError
from edgecompress.keras_bridge.graph import with_input_shapes
from edgecompress.keras_types import Layer, Model
from edgecompress.pipeline.networks.network import Network
from edgecompress.pipeline.networks.of_recipe import network_of
from edgecompress.pipeline.networks.task import ENDS, require_fit, task_of, wants_answers, width
from edgecompress.progress import Progress, silent
from edgecompress.recipes import Recipe
from edgecompress.tasks import ONE_CLASS, Task
from edgecompress.values import Arrays, Intake, LayerNote, TensorSpec

SHOWN_CLASSES = 5


@dataclass(frozen=True, eq=False)
class Opened:
    """What a training begins with."""

    network: Network
    dataset: Dataset
    intake: Intake
    task: Task

    def assumed(self, recipe: Recipe) -> list[str]:
        """Return what nobody said and was taken to hold, and what was left out of the data, in sentences."""
        said = [*self.dataset.notes, *self.network.assumptions]
        if isinstance(self.intake, Arrays) and self.network.size:
            said.append("The arrays are given to the network as they are, as they are no pixels in 0..255.")
        if self.task.loss not in (recipe.train.loss, ONE_CLASS.loss):
            why = "as the file was compiled" if self.network.loss else "as outputs and labels look"
            said.append(f"{self.task.loss} is minimized, {why}; --loss says another one.")
        if self.task.logits:
            said.append(f"The outputs are taken for logits, as no {ENDS[self.task.loss]} is behind them.")
        return said


def open_data(recipe: Recipe, *, on_progress: Progress = silent) -> Opened:
    """Open the recipe's network and its data, and say what the network takes of them, and what it is to learn.

    Arrays are given as they are where the network takes no images, or where an archive holds no pixels and nobody says
    what range the network expects such in.

    Raises:
        EdgeCompressError: as `network_of`, `load` and `task_of`.
        RecipeError: nobody says what range pixels are expected in.
    """
    network = network_of(recipe)
    loss = recipe.train.loss or network.loss
    size, pixels = network.size, network.input_range
    if size is not None and pixels is None and is_archive_of_arrays(recipe.data.name):
        size = None
    if size is not None and pixels is None:
        raise RecipeError(
            f"It is not known what range '{recipe.model.name}' expects pixels in, and by a wrong one it computes "
            "nonsense.",
            hint="Say it: --input-range 0 255, 0 1 or -1 1.",
        )
    inputs = () if size else network.inputs

    def loaded(answers: bool | None) -> Dataset:
        channels = network.channels if size else None
        return load_data(recipe, size, channels=channels, inputs=inputs, answers=answers, on_progress=on_progress)

    dataset = loaded(wants_answers(loss))
    task = task_of(loss, network.end, dataset, name=recipe.model.name)
    if wants_answers(task.loss) and not wants_answers(loss):
        dataset = loaded(True)  # as whoever knows the task reads it
    intake: Intake = Arrays(_fixed(inputs, dataset))
    if size is not None and pixels is not None:
        intake = standard(dataset, size=size, channels=network.channels, input_range=pixels, fit=recipe.data.fit)
    return Opened(network, dataset, intake, task)


def load_data(
    recipe: Recipe,
    size: tuple[int, int] | None,
    *,
    channels: int | None,
    inputs: tuple[TensorSpec, ...] = (),
    answers: bool | None = None,
    on_progress: Progress = silent,
) -> Dataset:
    """Load the recipe's data set for images of this height and width, or as arrays for these inputs."""
    return load(
        recipe.data.name,
        data_dir=Path(recipe.data.directory) if recipe.data.directory else None,
        size=size,
        channels=channels,
        fit=recipe.data.fit,
        seed=recipe.train.seed,
        inputs=inputs,
        answers=answers,
        on_progress=on_progress,
    )


def trained_layers(recipe: Recipe, model: Model, head: str) -> list[Layer]:
    """Return the layers that the dense model's epochs train: those that are not to be frozen, and a new classifier."""
    return [layer for layer in model.layers if layer.name == head or not re.fullmatch(recipe.train.freeze, layer.name)]


def build_model(recipe: Recipe, opened: Opened) -> tuple[Model, tuple[LayerNote, ...]]:
    """Build the recipe's network from its seed and its weights; notes say which layers of the latter were left.

    Raises:
        DataError: it has other classes than the data.
    """
    load_keras().utils.set_random_seed(recipe.train.seed)
    dataset, task, new_head = opened.dataset, opened.task, recipe.model.new_head
    outputs = width(task.loss, dataset)
    if new_head not in (0, outputs):
        listed = f"{', '.join(dataset.labels[:SHOWN_CLASSES])}{', ...' if dataset.labels[SHOWN_CLASSES:] else ''}"
        raise DataError(
            f"The new head is to have {new_head} outputs, and {dataset.name} asks for {outputs}: {listed}.",
            hint=f"Say --new-head {outputs}.",
        )
    channels = 0 if isinstance(opened.intake, Arrays) else opened.intake.channels
    model, notes = opened.network.construct(channels, outputs, ENDS.get(task.loss, "linear"))
    if isinstance(opened.intake, Arrays):
        model = with_input_shapes(model, [each.shape[1:] for each in opened.intake.inputs])
    require_fit(task, model.outputs[0].shape[1:], dataset, name=recipe.model.name)
    return model, notes


def _fixed(inputs: tuple[TensorSpec, ...], dataset: Dataset) -> tuple[TensorSpec, ...]:
    """The inputs with the lengths that the data has along axes that are free: files have fixed ones."""
    fields = dataset.train.images.dtype
    return tuple(replace(each, shape=(1, *fields[each.name].shape)) for each in inputs)
