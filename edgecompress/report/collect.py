"""From a run folder to the content of its report; the artifacts must be there, all else may be missing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from edgecompress.errors import RunFolderError
from edgecompress.formats.sizes import compressed_sizes
from edgecompress.pipeline.networks.task import task_of_run
from edgecompress.progress import Progress, silent
from edgecompress.recipes import load_recipe, to_toml
from edgecompress.report.columns import front, marks
from edgecompress.report.content import Content, Epoch, FloatOperators, Notice, Row, Setting
from edgecompress.report.stale import current_verification
from edgecompress.report.timings import conditions_of, setting_of, settings_of, slow_operators_of, timing_of
from edgecompress.report.words import in_words, title
from edgecompress.runs.folder import RunFolder
from edgecompress.storage import from_json
from edgecompress.values import Artifact, Measurement
from edgecompress.verification import Verification

FEW_FILES = 3  # that are named one by one, even where they are all


def to_verify(run: RunFolder) -> str:
    """Return the command that verifies a run."""
    return f"edgecompress verify {shlex.quote(str(run.path))}"


def to_profile(run: RunFolder) -> str:
    """Return the command that measures a run."""
    return f"edgecompress profile {shlex.quote(str(run.path))}"


@dataclass(frozen=True)
class _Manifest:
    machine: str = ""
    versions: dict[str, str] = field(default_factory=dict)


def collect(run: RunFolder, *, on_progress: Progress = silent) -> Content:
    """Read a run, weigh its artifacts, and rank them.

    Raises:
        RunFolderError: there are no artifacts, one is not the file that was emitted, or a record is damaged.
    """
    artifacts = run.read_artifacts()
    if not artifacts:
        raise RunFolderError(
            f"'{run.path}' has no artifact.", hint=f"Run `edgecompress convert {shlex.quote(str(run.path))}` first."
        )
    recipe = load_recipe(run.recipe) if run.recipe.exists() else None
    manifest = from_json(_Manifest, run.manifest) if run.manifest.exists() else _Manifest()
    found = from_json(Verification, run.path / "verification.json") if run.has("verification") else None
    verification = current_verification(run, artifacts, found) if found else None
    listed = {(artifact.path, artifact.sha256) for artifact in artifacts}
    measured = run.read_measurements() if run.has("measurements") else []
    current = [each for each in measured if (each.artifact, each.sha256) in listed]
    counted = run.read_instructions() if run.has("instructions") else []
    sustained = run.read_sustained() if run.has("sustained") else []
    kept = [(each.artifact, each.sha256) for kind in (measured, counted, sustained) for each in kind]
    stale = sum(each not in listed for each in kept)
    settings = settings_of(current)
    rows = []
    for done, artifact in enumerate(artifacts):
        on_progress("compressing the files to tell their sizes", done, len(artifacts))
        rows.append(_row(run, artifact, verification, current))
    on_progress("compressing the files to tell their sizes", len(artifacts), len(artifacts))
    axes, ranked = front(marks(tuple(rows), settings), settings)
    return Content(
        title=title(recipe) if recipe else run.path.resolve().name.encode(errors="replace").decode(),
        words=in_words(recipe) if recipe else {"Model": ", ".join(dict.fromkeys(each.origin for each in artifacts))},
        recipe=to_toml(recipe) if recipe else "",
        machine=manifest.machine,
        versions=manifest.versions,
        notices=tuple(_notices(run, ranked, found, settings, current, stale=stale)),
        settings=settings,
        rows=ranked,
        pareto_axes=axes,
        verification=verification,
        layers=tuple(run.notes()) if run.has("notes") else (),
        float_operators=tuple(
            FloatOperators(artifact.path, artifact.float_layers)
            for artifact in artifacts
            if artifact.target.endswith(":int8")
        ),
        operators=tuple(slow_operators_of(each) for each in current if setting_of(each) == settings[0]),
        history=_history(run),
        conditions=tuple(conditions_of(current, setting) for setting in settings),
        instructions=tuple(each for each in counted if (each.artifact, each.sha256) in listed),
        sustained=tuple(each for each in sustained if (each.artifact, each.sha256) in listed),
        metric=verification.metric if verification else task_of_run(run).kind.value,
    )


def _row(
    run: RunFolder, artifact: Artifact, verification: Verification | None, measurements: Sequence[Measurement]
) -> Row:
    if not (run.path / artifact.path).resolve().is_relative_to(run.path.resolve()):
        raise RunFolderError(
            f"The artifact '{artifact.path}' is not inside of '{run.path}'.",
            hint="Reports are made of a run's own files; convert again to get some.",
        )
    path = run.artifact_path(artifact)
    checks = verification.artifacts if verification else ()
    check = next((each for each in checks if each.artifact == artifact.path), None)
    timings = {setting_of(each): timing_of(each) for each in measurements if each.artifact == artifact.path}
    row = Row(artifact.path, artifact.variant, artifact.target, compressed_sizes(path), timings=tuple(timings.values()))
    if check is None:
        return row
    return replace(
        row,
        accuracy=check.accuracy,
        drop=check.drop,
        paired=check.paired,
        right=check.right,
        keras_agreement=check.keras_agreement,
    )


def _notices(
    run: RunFolder,
    rows: Sequence[Row],
    verification: Verification | None,
    settings: Sequence[Setting],
    measured: Sequence[Measurement],
    *,
    stale: int,
) -> Iterator[Notice]:
    """Say what is missing, and which command makes it, as it is typed where the report was asked for."""
    verify, profile = to_verify(run), to_profile(run)
    if verification is None and not run.recipe.exists():
        yield Notice("not verified yet: a model file names no test data", f"{verify} --data DATA")
    elif verification is None:
        yield Notice("not verified yet", verify)
    else:
        verified = {check.artifact for check in verification.artifacts}
        lacking = [row.artifact for row in rows if row.accuracy is None]
        if stale_ones := [name for name in lacking if name in verified]:
            yield Notice(f"{', '.join(stale_ones)}: the accuracy is of an earlier file, and left out", verify)
        if unverified := [name for name in lacking if name not in verified]:
            yield Notice(f"{', '.join(unverified)}: not verified yet", verify)
        for fault in verification.faults():
            yield Notice(fault.removesuffix("."))
    if stale:
        yield Notice(f"measurements of earlier files, left out: {stale}", profile)
    if not settings:
        yield Notice("not measured yet", profile)
    elif unmeasured := [row.artifact for row in rows if len(row.timings) < len(settings)]:
        yield Notice(f"{', '.join(unmeasured)}: not measured yet in every setting", profile)
    if imprecise := [row.artifact for row in rows if not all(timing.precise for timing in row.timings)]:
        yield Notice(f"{', '.join(imprecise)}: the median is less precise than was asked for", profile)
    for setting in settings:
        together = [each.conditions.get("interleaved") for each in measured if setting_of(each) == setting]
        if any(each != together[0] for each in together):
            yield Notice(f"{setting}: not all files were measured against one another, but at different times", profile)
    for each in measured:
        if why := str(each.conditions.get("interpreter", "")).rstrip("."):
            yield Notice(f"{each.artifact} on {setting_of(each)}: ran in the runtime's interpreter. {why}")
    invalid: dict[tuple[str, str], list[str]] = {}  # files were measured by turns, so that one reason holds for many
    remarked: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for timing in row.timings:
            if timing.invalid:
                invalid.setdefault((timing.setting.device, timing.invalid), []).append(row.artifact)
            for remark in timing.remarks:
                remarked.setdefault((timing.setting.device, remark), []).append(row.artifact)
    for (device, why), artifacts in invalid.items():
        yield Notice(f"{_listed(artifacts, rows)} on {device}: invalid, {why}", profile)
    for (device, remark), artifacts in remarked.items():
        yield Notice(f"{_listed(artifacts, rows)} on {device}: {remark}")


def _listed(artifacts: Sequence[str], rows: Sequence[Row]) -> str:
    found = dict.fromkeys(artifacts)
    return ", ".join(found) if len(found) < max(len(rows), FEW_FILES + 1) else f"all {len(found)} files"


def _history(run: RunFolder) -> tuple[Epoch, ...]:
    from pydantic import TypeAdapter

    if not run.history.exists():
        return ()
    try:
        return TypeAdapter(tuple[Epoch, ...]).validate_python(run.read_history())
    except ValueError as error:  # neither JSON, nor UTF-8, nor epochs
        raise RunFolderError(
            f"'{run.history}' is damaged: {str(error).splitlines()[0]}.",
            hint="`edgecompress train ... --resume` writes it anew from the checkpoints.",
        ) from error
