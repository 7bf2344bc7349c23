"""A run's files against its test split and its Keras models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgecompress.data import Dataset, load
from edgecompress.data.calibration import parse_calibration
from edgecompress.data.preprocessing import fit_pixels, scale_pixels
from edgecompress.data.rows import Images, rows
from edgecompress.data.stratified import stratified_order
from edgecompress.errors import DataError, RunFolderError, UnsupportedModelError
from edgecompress.loading import load_noted
from edgecompress.pipeline.train import load_for
from edgecompress.progress import Progress, silent
from edgecompress.recipes import load_recipe
from edgecompress.runs.folder import RunFolder
from edgecompress.runs.working import alone
from edgecompress.runtimes.engines.session import DEFAULT_KERNELS
from edgecompress.storage import sha256_of
from edgecompress.values import Artifact, Preprocessing
from edgecompress.verification import CHUNK, DENSE, Verification, verify


@dataclass(frozen=True, eq=False)
class _Subject:
    """What files are verified on, and against which Keras models."""

    dataset: Dataset
    preprocessing: Preprocessing
    seed: int
    names: tuple[str, ...]
    about: str = ""  # what is not known of the data


@alone
def verify_run(
    run: RunFolder,
    *,
    data: str = "",
    limit: int = 0,
    kernels: Sequence[str] = (DEFAULT_KERNELS,),
    trust: bool = False,
    on_progress: Progress = silent,
) -> Verification:
    """Verify every artifact of a run on its test split, or on `limit` images of it; the result is also written down.

    A folder of files of a lone model names no data: they are verified on the test split of `data`. TFLite files are run
    by each of `kernels`, LiteRT's families. With `trust`, the code is run that a lone model carries.

    Raises:
        RunFolderError: nothing was converted yet.
        DataError: data is given for a run that has its own, or is needed, or does not fit the model.
    """
    artifacts = run.read_artifacts()
    for artifact in artifacts:
        run.artifact_path(artifact)  # each is still the file that was converted
    if run.recipe.exists():
        subject = _of_run(run, artifacts, data, on_progress)
    else:
        data, count = parse_calibration(data)
        limit = limit or count or 0
        subject = _of_lone(run, artifacts, data, on_progress)
    test = subject.dataset.test
    order = np.arange(len(test))
    if 0 < limit < len(order):
        order = stratified_order(test.labels, seed=subject.seed)[:limit]
    pixels = fit_pixels(rows(test.images, order), subject.preprocessing)
    scores = {
        name: _keras_scores(run.model(name), pixels, subject.preprocessing, trust, on_progress)
        for name in subject.names
    }
    _require_classes(run, scores, subject.dataset)
    result = verify(
        artifacts,
        folder=run.path,
        pixels=pixels,
        labels=test.labels[order],
        preprocessing=subject.preprocessing,
        keras_scores=scores,
        data=f"{subject.dataset.name} test split, {len(order)} of {len(test)} images{subject.about}",
        kernels=kernels,
        on_progress=on_progress,
    )
    result = replace(result, keras_sha256={name: sha256_of(run.model(name)) for name in subject.names})
    run.write("verification", result)
    return result


def _of_run(run: RunFolder, artifacts: Sequence[Artifact], data: str, on_progress: Progress) -> _Subject:
    if data:
        raise DataError(
            f"'{run.path}' is verified on the test split of what it was trained on, and '{data}' was named.",
            hint="Leave out --data.",
        )
    recipe, preprocessing = load_recipe(run.recipe), run.preprocessing()
    dataset = load_for(recipe, preprocessing, run=run, on_progress=on_progress)
    names = sorted({artifact.variant for artifact in artifacts} | {DENSE}, reverse=True)
    names += [f"{name}.qat" for name in names if run.model(f"{name}.qat").exists()]
    return _Subject(dataset, preprocessing, recipe.train.seed, tuple(names))


def _of_lone(run: RunFolder, artifacts: Sequence[Artifact], data: str, on_progress: Progress) -> _Subject:
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
    ways = {artifact.preprocessing for artifact in artifacts}
    preprocessing = ways.pop()
    if ways or preprocessing is None:
        why = "take different inputs" if ways else "do not say what range they expect pixels in"
        raise DataError(
            f"The files in '{run.path}' {why}.",
            hint="Convert each model into a folder of its own, with --input-range where the model does not tell.",
        )
    dataset = load(
        data,
        size=(preprocessing.height, preprocessing.width),
        channels=preprocessing.channels,
        on_progress=on_progress,
    )
    about = "; whether the model was trained on any of them is not known"
    return _Subject(dataset, preprocessing, 0, names, about)


def _require_classes(run: RunFolder, scores: dict[str, np.ndarray], dataset: Dataset) -> None:
    for name, found in scores.items():
        if found.shape[-1] != len(dataset.labels):
            raise DataError(
                f"'{run.model(name).name}' gives scores of {found.shape[-1]} classes, and {dataset.name} has "
                f"{len(dataset.labels)}.",
                hint="Name the data that the model was made for.",
            )


def _keras_scores(
    path: Path, pixels: Images, preprocessing: Preprocessing, trust: bool, on_progress: Progress
) -> np.ndarray:
    model = load_noted(path, trust=trust).model
    if len(model.outputs) != 1:
        raise UnsupportedModelError(
            f"'{path.name}' has {len(model.outputs)} outputs, and accuracy is that of one.",
            hint="Compare its files with `edgecompress verify FILE --on local`, output by output.",
        )
    parts = []
    for start in range(0, len(pixels), CHUNK):
        on_progress(f"Keras {path.stem}", start, len(pixels))
        parts.append(model.predict_on_batch(scale_pixels(pixels[start : start + CHUNK], preprocessing)))
    on_progress(f"Keras {path.stem}", len(pixels), len(pixels))
    return np.concatenate(parts).reshape(len(pixels), -1)
