"""What files are verified on: samples, how they are taken, and what the models have learnt of such."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecompress.data import Dataset, load
from edgecompress.data.npz import is_archive_of_arrays
from edgecompress.errors import DataError, RunFolderError, UnsupportedModelError
from edgecompress.keras_bridge.graph import copy_model
from edgecompress.keras_bridge.head import end_of
from edgecompress.loading import load_model
from edgecompress.pipeline.networks.own import array_inputs, compiled_loss
from edgecompress.pipeline.networks.task import known_loss, task_of, task_of_run, wants_answers
from edgecompress.pipeline.train import load_for
from edgecompress.progress import Progress
from edgecompress.recipes import load_recipe
from edgecompress.runs.folder import RunFolder
from edgecompress.storage import sha256_of
from edgecompress.tasks import Task
from edgecompress.values import Arrays, Artifact, Intake, TensorSpec
from edgecompress.verification import DENSE


@dataclass(frozen=True, eq=False)
class Subject:
    """What files are verified on, and against which Keras models."""

    dataset: Dataset
    intake: Intake
    task: Task
    seed: int
    names: tuple[str, ...]
    about: str = ""  # what is not known of the data


def of_run(run: RunFolder, artifacts: Sequence[Artifact], other: str, on_progress: Progress) -> Subject:
    """Return what the files of a run are verified on; it is not to be `other` data, or another loss.

    Raises:
        DataError: it is to be, or the data is not what it was trained on.
    """
    if other:
        raise DataError(
            f"'{run.path}' is verified on the test split of what it was trained on, by what it has learnt, and "
            f"'{other}' was named.",
            hint="Leave out --data and --loss.",
        )
    recipe, intake, task = load_recipe(run.recipe), run.intake(), task_of_run(run)
    dataset = load_for(recipe, intake, task, run=run, on_progress=on_progress)
    names = sorted({artifact.variant for artifact in artifacts} | {DENSE}, reverse=True)
    names += [f"{name}.qat" for name in names if run.model(f"{name}.qat").exists()]
    return Subject(dataset, intake, task, recipe.train.seed, tuple(names))


def of_lone(
    run: RunFolder, artifacts: Sequence[Artifact], data: str, loss: str, trust: bool, on_progress: Progress
) -> Subject:
    """Return what the files of a lone model are verified on: the test split of `data`.

    Raises:
        RunFolderError: its Keras model is not there, or not that which the files were made of.
        DataError: there is no data, or the files do not say how they take it, or not all in one way.
        RecipeError: it is not known what the model has learnt.
    """
    names = tuple(dict.fromkeys(artifact.variant for artifact in artifacts))
    missing = [name for name in names if not run.model(name).exists()]
    if missing:
        raise RunFolderError(
            f"'{run.path}' holds files of '{missing[0]}' without the Keras model that they are to be compared with.",
            hint="Convert the Keras file again, or measure the files with `edgecompress profile`.",
        )
    for artifact in artifacts:
        if artifact.origin.rpartition("sha256:")[2] != sha256_of(run.model(artifact.variant)):
            raise RunFolderError(
                f"'{artifact.path}' was made of another model than '{run.model(artifact.variant)}' is now.",
                hint="Convert the model again, into a folder of its own.",
            )
    if not data:
        raise DataError(
            f"'{run.path}' holds the files of a model that names no test data.",
            hint="Name some: `--data folder:photos` or `--data fashion_mnist`.",
        )
    forms = {artifact.preprocessing for artifact in artifacts}
    images = forms.pop()
    if forms:
        raise DataError(
            f"The files in '{run.path}' take different inputs.", hint="Convert each model into a folder of its own."
        )
    model = run.model(names[0])
    inputs, end = _inputs_and_end(model, trust)
    if images is None and not (inputs and is_archive_of_arrays(data)):
        raise DataError(
            f"The files in '{run.path}' do not say what range they expect pixels in.",
            hint="Convert the model with --input-range, or name an archive of arrays that it takes: --data npz:PATH.",
        )
    loss = loss or known_loss(compiled_loss(model))
    dataset = load(
        data,
        size=(images.height, images.width) if images else None,
        channels=images.channels if images else None,
        inputs=() if images else inputs,
        answers=wants_answers(loss),
        on_progress=on_progress,
    )
    about = "; whether the model was trained on any of them is not known"
    task = task_of(loss, end, dataset, name=names[0])
    return Subject(dataset, images or Arrays(inputs), task, 0, names, about)


def _inputs_and_end(path: Path, trust: bool) -> tuple[tuple[TensorSpec, ...], str]:
    """What the model takes, and its last activation; nothing, and none, of one that Keras 3 does not have."""
    try:
        model = copy_model(load_model(path, trust=trust))
    except UnsupportedModelError:
        return (), "linear"
    return array_inputs(model), end_of(model)
