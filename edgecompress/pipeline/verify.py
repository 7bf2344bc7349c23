"""A run's files against its test split and its Keras models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgecompress.data.calibration import parse_calibration
from edgecompress.data.intake import fitted, model_inputs
from edgecompress.data.rows import Images, rows
from edgecompress.data.stratified import stratified_order
from edgecompress.errors import UnsupportedModelError
from edgecompress.loading import load_noted
from edgecompress.pipeline.networks.task import require_fit
from edgecompress.pipeline.subject import of_lone, of_run
from edgecompress.progress import Progress, silent
from edgecompress.runs.folder import RunFolder
from edgecompress.runs.working import alone
from edgecompress.runtimes.engines.session import DEFAULT_KERNELS
from edgecompress.storage import sha256_of
from edgecompress.tasks.metric import load_metric
from edgecompress.values import Arrays, Intake
from edgecompress.verification import CHUNK, Verification, verify


@alone
def verify_run(
    run: RunFolder,
    *,
    data: str = "",
    loss: str = "",
    limit: int = 0,
    kernels: Sequence[str] = (DEFAULT_KERNELS,),
    metric: str = "",
    trust: bool = False,
    on_progress: Progress = silent,
) -> Verification:
    """Verify every artifact of a run on its test split, or on `limit` images of it; the result is also written down.

    A folder of files of a lone model names no data: they are verified on the test split of `data`, by what `loss` says
    that they have learnt, or the model's file. TFLite files are run by each of `kernels`, LiteRT's families. With
    `trust`, the code is run that a lone model carries, and that of `metric`, "FILE.py:function".

    Raises:
        RunFolderError: nothing was converted yet.
        DataError: data is given for a run that has its own, or is needed, or does not fit the model.
    """
    own = load_metric(metric, trust=trust) if metric else None
    artifacts = run.read_artifacts()
    for artifact in artifacts:
        run.artifact_path(artifact)  # each is still the file that was converted
    if run.recipe.exists():
        subject = of_run(run, artifacts, data or loss, on_progress)
    else:
        data, count = parse_calibration(data)
        limit = limit or count or 0
        subject = of_lone(run, artifacts, data, loss, trust, on_progress)
    test = subject.dataset.test
    order = np.arange(len(test))
    if 0 < limit < len(order):
        order = stratified_order(test.labels, seed=subject.seed)[:limit]
    samples = fitted(rows(test.images, order), subject.intake)
    scores = {}
    for name in subject.names:
        scores[name] = _keras_scores(run.model(name), samples, subject.intake, trust, on_progress)
        require_fit(subject.task, scores[name].shape[1:], subject.dataset, name=run.model(name).name)
    result = verify(
        artifacts,
        folder=run.path,
        samples=samples,
        labels=test.labels[order],
        intake=subject.intake,
        task=subject.task,
        keras_scores=scores,
        data=f"{subject.dataset.name} test split, {len(order)} of {len(test)} "
        f"{'samples' if isinstance(subject.intake, Arrays) else 'images'}{subject.about}",
        kernels=kernels,
        metric=own,
        on_progress=on_progress,
    )
    result = replace(result, keras_sha256={name: sha256_of(run.model(name)) for name in subject.names})
    run.write("verification", result)
    return result


def _keras_scores(path: Path, samples: Images, intake: Intake, trust: bool, on_progress: Progress) -> np.ndarray:
    model = load_noted(path, trust=trust).model
    if len(model.outputs) != 1:
        raise UnsupportedModelError(
            f"'{path.name}' has {len(model.outputs)} outputs, and accuracy is that of one.",
            hint="Compare its files with `edgecompress verify FILE --on local`, output by output.",
        )
    parts = []
    for start in range(0, len(samples), CHUNK):
        on_progress(f"Keras {path.stem}", start, len(samples))
        inputs = model_inputs(samples[start : start + CHUNK], intake)
        parts.append(model.predict_on_batch(list(inputs) if len(inputs) > 1 else inputs[0]))
    on_progress(f"Keras {path.stem}", len(samples), len(samples))
    return np.concatenate(parts)
