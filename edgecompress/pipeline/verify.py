"""A run's files against its test split and its Keras models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgecompress.data.preprocessing import fit_pixels, scale_pixels
from edgecompress.data.stratified import stratified_order
from edgecompress.errors import RunFolderError
from edgecompress.loading import load_noted
from edgecompress.pipeline.train import load_for
from edgecompress.progress import Progress, silent
from edgecompress.recipes import load_recipe
from edgecompress.runs.folder import RunFolder
from edgecompress.runs.working import alone
from edgecompress.runtimes.engines.session import DEFAULT_KERNELS
from edgecompress.storage import sha256_of
from edgecompress.values import Preprocessing
from edgecompress.verification import CHUNK, Verification, verify


@alone
def verify_run(
    run: RunFolder, *, limit: int = 0, kernels: Sequence[str] = (DEFAULT_KERNELS,), on_progress: Progress = silent
) -> Verification:
    """Verify every artifact of a run on its test split, or on `limit` images of it; the result is also written down.

    TFLite files are run by each of `kernels`, LiteRT's families.

    Raises:
        RunFolderError: nothing was converted yet.
    """
    artifacts = run.read_artifacts()
    if not run.recipe.exists():
        raise RunFolderError(
            f"'{run.path}' holds files without a recipe, so that there is no test split to verify them on.",
            hint="Train with edgecompress, or measure them with `edgecompress profile`.",
        )
    for artifact in artifacts:
        run.artifact_path(artifact)  # each is still the file that was converted
    recipe = load_recipe(run.recipe)
    preprocessing = run.preprocessing()
    dataset, _ = load_for(recipe, run=run, on_progress=on_progress)
    order = np.arange(len(dataset.test))
    if 0 < limit < len(order):
        order = stratified_order(dataset.test.labels, seed=recipe.train.seed)[:limit]
    pixels = fit_pixels(dataset.test.images[order], preprocessing)
    names = sorted({artifact.variant for artifact in artifacts} | {"dense"}, reverse=True)
    names += [f"{name}.qat" for name in names if run.model(f"{name}.qat").exists()]
    result = verify(
        artifacts,
        folder=run.path,
        pixels=pixels,
        labels=dataset.test.labels[order],
        preprocessing=preprocessing,
        keras_scores={name: _keras_scores(run.model(name), pixels, preprocessing, on_progress) for name in names},
        data=f"{dataset.name} test split, {len(order)} of {len(dataset.test)} images",
        kernels=kernels,
        on_progress=on_progress,
    )
    result = replace(result, keras_sha256={name: sha256_of(run.model(name)) for name in names})
    run.write("verification", result)
    return result


def _keras_scores(path: Path, pixels: np.ndarray, preprocessing: Preprocessing, on_progress: Progress) -> np.ndarray:
    model = load_noted(path).model
    parts = []
    for start in range(0, len(pixels), CHUNK):
        on_progress(f"Keras {path.stem}", start, len(pixels))
        parts.append(model.predict_on_batch(scale_pixels(pixels[start : start + CHUNK], preprocessing)))
    on_progress(f"Keras {path.stem}", len(pixels), len(pixels))
    return np.concatenate(parts)
