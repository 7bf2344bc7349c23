"""Trained models to files, from a run folder or from a model file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from edgecompress.convert.targets import Options, Target
from edgecompress.convert.tflite.post_training import NEED_CALIBRATION, Calibration
from edgecompress.data.calibration import calibration_batch, read_calibration, read_input_arrays
from edgecompress.errors import ConversionError, DataError, RunFolderError, UnsupportedModelError
from edgecompress.pipeline.emitting.process import emitter
from edgecompress.pipeline.emitting.service import Opened
from edgecompress.pipeline.networks.task import task_of_run
from edgecompress.pipeline.preparation import Range, prepare
from edgecompress.pipeline.train import load_for
from edgecompress.progress import Progress, silent
from edgecompress.recipes import load_recipe
from edgecompress.runs.folder import RunFolder
from edgecompress.runs.working import alone
from edgecompress.storage import sha256_of, written_whole
from edgecompress.values import Arrays, Artifact, Intake

SHOWN_LAYERS = 5
EMITTED = (".tflite", ".onnx")


@alone
def convert_run(
    run: RunFolder,
    targets: tuple[Target, ...],
    *,
    options: Options,
    variants: tuple[str, ...] = (),
    calibrate: str = "",
    on_progress: Progress = silent,
) -> list[Artifact]:
    """Emit every variant of a run (the dense and the compressed one) for each target.

    Calibration images come from the run's own training split, or from `calibrate`, "DATA:N". What was emitted before
    stays listed in artifacts.json.

    Raises:
        RunFolderError: no trained model in the run, or no such variant.
    """
    found = run.variants()
    if not found:
        raise RunFolderError(
            f"'{run.path}' holds no trained model.", hint="Finish the training: edgecompress train ... --resume"
        )
    missing = [variant for variant in variants if variant not in found]
    if missing:
        raise RunFolderError(f"'{run.path}' has no variant '{missing[0]}'.", hint=f"It has: {', '.join(found)}.")
    intake = run.intake()
    calibration = _calibration(run, targets, intake, calibrate, on_progress)
    emitted: list[Artifact] = []
    with emitter() as child:
        for variant in variants or found:
            twin = run.model(f"{variant}.qat")
            opened = child.open(run.model(variant), twin=twin if twin.exists() else None)
            files = child.emit(
                _fitting(opened, variant, targets, variants or found),
                run.artifacts,
                variant=variant,
                origin=f"{run.model(variant).relative_to(run.path)} sha256:{sha256_of(run.model(variant))}",
                options=options,
                preprocessing=None if isinstance(intake, Arrays) else intake,
                calibration=calibration,
                on_progress=on_progress,
            )
            emitted += [replace(file, path=str(Path(run.artifacts.name) / file.path)) for file in files]
    return record(run, emitted)


def _fitting(
    opened: Opened, variant: str, targets: tuple[Target, ...], variants: tuple[str, ...]
) -> tuple[Target, ...]:
    """Return the targets that a variant is for: the dense model beside a binary one is not emitted as binary."""
    if variant != "dense" or len(variants) == 1 or opened.binary:
        return targets
    return tuple(target for target in targets if target.precision != "binary")


def convert_file(
    path: Path,
    targets: tuple[Target, ...],
    folder: Path,
    *,
    options: Options,
    input_range: Range | None = None,
    fit: str = "stretch",
    calibrate: str = "",
    trust: bool = False,
    on_progress: Progress = silent,
) -> list[Artifact]:
    """Emit a model file for each target into `folder`; `input_range` is what pixels 0..255 are mapped to.

    Images of another shape get the model's as `fit` says. Where the range is not given, the model is asked; what is
    then assumed is in the artifacts. A Keras file serves every target. A float `.tflite` or `.onnx` file serves the
    binary ones, where its kernels hold one magnitude a filter; that of the same format, and ONNX from TFLite.

    Raises:
        ModelFileError, UntrustedCodeError, UnsupportedModelError: the file cannot be used.
        ConversionError: a target cannot be emitted.
        RunFolderError: the folder is that of a run.
    """
    _require_possible(path, targets, options, calibrate)
    run = RunFolder(folder)
    if run.recipe.exists():
        raise RunFolderError(
            f"'{folder}' is the folder of a run, whose models and files are its own.",
            hint="Choose another folder with --out; `edgecompress convert RUN` emits the run's.",
        )
    with emitter() as child:
        opened = child.open(path, trust=trust)
        origin = f"{path.name} sha256:{sha256_of(path)}"  # now that it is known to be a file: a pipe would not end
        if opened.quantization_aware and any(target.precision != "int8" for target in targets):
            raise UnsupportedModelError(
                f"'{path}' has fake quantization, which only int8 targets read.",
                hint="Convert it --to tflite:int8 or onnx:int8, or give the float model.",
            )
        preparation = prepare(
            path.name,
            opened.inputs,
            given=input_range,
            own=opened.own_range,
            fit=fit,
            calibrate=calibrate,
            on_progress=on_progress,
        )
        files = child.emit(
            targets,
            folder,
            variant=path.stem,
            origin=origin,
            options=options,
            preprocessing=preparation.preprocessing,
            assumptions=(*_said(opened), *preparation.assumptions),
            calibration=preparation.calibration,
            on_progress=on_progress,
        )
    if path.suffix.lower() not in EMITTED:  # kept beside its files, so that they can be verified against it
        _keep(path, run.kept_model(path.stem, path.suffix.lower()))
    return record(run, files, of_others=lambda each: each.variant == path.stem and each.origin != origin)


def _keep(path: Path, place: Path) -> None:
    if path.resolve() != place.resolve():
        with written_whole(place) as beside:
            shutil.copyfile(path, beside)


def _said(opened: Opened) -> Iterator[str]:
    """What was done to layers while the model was loaded, in a sentence for each thing that was done."""
    layers: dict[tuple[str, str], list[str]] = {}
    for note in opened.notes:
        layers.setdefault((note.action, note.reason), []).append(f"'{note.layer}'")
    for (action, reason), names in layers.items():
        more = f" and {len(names) - SHOWN_LAYERS} more" if names[SHOWN_LAYERS:] else ""
        yield f"{action.capitalize()}: {', '.join(names[:SHOWN_LAYERS])}{more} ({reason})."


def _require_possible(path: Path, targets: tuple[Target, ...], options: Options, calibrate: str) -> None:
    """Refuse targets that a `.tflite` or `.onnx` file does not serve."""
    format_name = path.suffix.lower().removeprefix(".")
    possible = {"tflite": ("tflite:binary", "onnx:binary"), "onnx": ("onnx:binary",)}.get(format_name)
    if possible is None:
        return
    for target in map(str, targets):
        if target not in possible:
            raise ConversionError(
                f"'{path.name}' cannot be emitted as {target}; from a .{format_name} file come {', '.join(possible)}.",
                hint="Convert the Keras model that it was made from.",
            )
    if format_name == "onnx" and (calibrate or options.keep_float):
        raise ConversionError(
            f"'{path.name}' keeps its real layers as they are: there is nothing to calibrate or to keep float.",
            hint="Leave out --calibrate and --keep-float.",
        )


def record(
    run: RunFolder, emitted: list[Artifact], *, of_others: Callable[[Artifact], bool] = lambda artifact: False
) -> list[Artifact]:
    """Add the artifacts to artifacts.json, in the place of earlier ones with the same path; return the new ones.

    Files `of_others`, such as an earlier model of the same name, are no longer listed.
    """
    fresh = {artifact.path for artifact in emitted}
    earlier = run.read_artifacts() if run.has("artifacts") else []
    kept = [artifact for artifact in earlier if artifact.path not in fresh and not of_others(artifact)]
    run.write("artifacts", kept + emitted)
    return emitted


def _calibration(
    run: RunFolder, targets: tuple[Target, ...], intake: Intake, calibrate: str, on_progress: Progress
) -> Calibration | None:
    if not any(target.precision in (*NEED_CALIBRATION, "binary") for target in targets):
        return None
    if calibrate and isinstance(intake, Arrays):
        arrays = read_input_arrays(calibrate, intake.inputs)
        if arrays is None:
            raise DataError(
                f"The models of '{run.path}' take arrays, and '{calibrate}' has none for them.",
                hint="Name an archive of arrays: --calibrate npz:PATH:200; or leave it out.",
            )
        return arrays
    if calibrate and not isinstance(intake, Arrays):
        return (read_calibration(calibrate, intake, on_progress=on_progress),)
    recipe = load_recipe(run.recipe)
    dataset = load_for(recipe, intake, task_of_run(run), run=run, on_progress=on_progress)
    count = min(recipe.convert.calibration, len(dataset.train))
    return calibration_batch(dataset.train, intake, count=count, seed=recipe.train.seed)
