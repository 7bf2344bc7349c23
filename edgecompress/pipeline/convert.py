"""Trained models to files, from a run folder or from a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgecompress.convert.conversion import convert, relative_to
from edgecompress.convert.embedded import embedded_preprocessing
from edgecompress.convert.making import Source
from edgecompress.convert.targets import Options, Target
from edgecompress.convert.tflite.binary.meant import meant_binary
from edgecompress.convert.tflite.post_training import NEED_CALIBRATION, Calibration
from edgecompress.data.calibration import calibration_batch, read_calibration
from edgecompress.errors import ConversionError, RunFolderError, UnsupportedModelError
from edgecompress.formats.read import read_model
from edgecompress.formats.tflite import read_graph
from edgecompress.keras_bridge.graph import copy_model
from edgecompress.keras_bridge.input_range import own_input_range
from edgecompress.keras_bridge.load import is_quantization_aware, load_model
from edgecompress.pipeline.preparation import Range, prepare
from edgecompress.pipeline.train import load_for
from edgecompress.progress import Progress, silent
from edgecompress.recipes import load_recipe
from edgecompress.runs import RunFolder
from edgecompress.runtimes.check import check_runs
from edgecompress.storage import sha256_of
from edgecompress.values import Artifact, Preprocessing, TensorSpec


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
    preprocessing = run.preprocessing()
    calibration = _calibration(run, targets, preprocessing, calibrate, on_progress)
    emitted: list[Artifact] = []
    for variant in variants or found:
        twin = run.model(f"{variant}.qat")
        model = load_model(run.model(variant))
        fitting = _fitting(model, variant, targets, variants or found)
        source = Source(
            variant=variant,
            model=model,
            origin=f"{run.model(variant).relative_to(run.path)} sha256:{sha256_of(run.model(variant))}",
            quantized=load_model(twin) if twin.exists() else None,
            preprocessing=preprocessing,
        )
        files = convert(
            source, fitting, run.artifacts, options=options, calibration=calibration, on_progress=on_progress
        )
        emitted += relative_to(run.path, files)
    return record(run, emitted)


def _fitting(model: object, variant: str, targets: tuple[Target, ...], variants: tuple[str, ...]) -> tuple[Target, ...]:
    """Return the targets that a variant is for: the dense model beside a binary one is not emitted as binary."""
    if variant != "dense" or len(variants) == 1 or meant_binary(model):
        return targets
    return tuple(target for target in targets if target.precision != "binary")


def convert_file(
    path: Path,
    targets: tuple[Target, ...],
    folder: Path,
    *,
    options: Options,
    input_range: Range | None = None,
    calibrate: str = "",
    trust: bool = False,
    on_progress: Progress = silent,
) -> list[Artifact]:
    """Emit a model file for each target into `folder`; `input_range` is what pixels 0..255 are mapped to.

    Where it is not given, the model is asked; what is then assumed is in the artifacts.
    A Keras file serves every target. A float `.tflite` or `.onnx` file serves the binary ones, where its kernels hold
    one magnitude a filter; that of the same format, and ONNX from TFLite.

    Raises:
        ModelFileError, UntrustedCodeError, UnsupportedModelError: the file cannot be used.
        ConversionError: a target cannot be emitted.
    """
    if path.suffix.lower() in (".tflite", ".onnx"):
        files = _convert_emitted(
            path,
            targets,
            folder,
            options=options,
            input_range=input_range,
            calibrate=calibrate,
            on_progress=on_progress,
        )
        return record(RunFolder(folder), relative_to(folder, files))
    loaded = load_model(path, trust=trust)
    quantization_aware = is_quantization_aware(loaded)
    if quantization_aware and any(target.precision != "int8" for target in targets):
        raise UnsupportedModelError(
            f"'{path}' has fake quantization, which only int8 targets read.",
            hint="Convert it --to tflite:int8 or onnx:int8, or give the float model.",
        )
    model = loaded if quantization_aware else copy_model(loaded)
    preparation = prepare(
        path.name,
        tuple(map(_spec, model.input_names, model.inputs)),
        given=input_range,
        own=own_input_range(model),
        calibrate=calibrate,
        on_progress=on_progress,
    )
    source = Source(
        variant=path.stem,
        model=model,
        origin=f"{path.name} sha256:{sha256_of(path)}",
        quantized=model if quantization_aware else None,
        preprocessing=preparation.preprocessing,
        assumptions=preparation.assumptions,
    )
    files = convert(
        source, targets, folder, options=options, calibration=preparation.calibration, on_progress=on_progress
    )
    return record(RunFolder(folder), relative_to(folder, files))


def _convert_emitted(
    path: Path,
    targets: tuple[Target, ...],
    folder: Path,
    *,
    options: Options,
    input_range: Range | None,
    calibrate: str,
    on_progress: Progress,
) -> tuple[Artifact, ...]:
    """Emit a `.tflite` or `.onnx` file in binary."""
    format_name = path.suffix.lower().removeprefix(".")
    possible = {"tflite": ("tflite:binary", "onnx:binary"), "onnx": ("onnx:binary",)}[format_name]
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
    preparation = prepare(
        path.name,
        _file_inputs(path),
        given=input_range,
        own=_range_of(path),
        calibrate=calibrate,
        on_progress=on_progress,
    )
    source = Source(
        variant=path.stem,
        model=path.read_bytes(),
        origin=f"{path.name} sha256:{sha256_of(path)}",
        preprocessing=preparation.preprocessing,
        assumptions=preparation.assumptions,
    )
    return convert(
        source, targets, folder, options=options, calibration=preparation.calibration, on_progress=on_progress
    )


def _spec(name: str, tensor: Any) -> TensorSpec:
    return TensorSpec(name, tuple(size or -1 for size in tensor.shape), tensor.dtype.name)


def _file_inputs(path: Path) -> tuple[TensorSpec, ...]:
    """Read and run a file before anything of it is computed with: reading is bounded, running in a process of its own.

    A TFLite file with custom operators may be one that its runtime refuses before it is converted, as Larq's are.
    """
    if path.suffix.lower() == ".tflite":
        graph = read_graph(path)
        if any(operator.kind == "CUSTOM" for operator in graph.operators):
            return tuple(graph.tensors[index].spec for index in graph.inputs)
    inputs, _, _ = check_runs(path)
    return inputs


def _range_of(path: Path) -> Range | None:
    """What a file of ours says that pixels 0..255 are mapped to."""
    found = embedded_preprocessing(read_model(path).metadata)
    if found is None or len(found.scale) != 1 or len(found.offset) != 1:
        return None
    return found.offset[0], found.offset[0] + 255 * found.scale[0]


def record(run: RunFolder, emitted: list[Artifact]) -> list[Artifact]:
    """Add the artifacts to artifacts.json, in the place of earlier ones with the same path; return the new ones."""
    fresh = {artifact.path for artifact in emitted}
    kept = [artifact for artifact in run.read_artifacts() if artifact.path not in fresh] if run.has("artifacts") else []
    run.write("artifacts", kept + emitted)
    return emitted


def _calibration(
    run: RunFolder, targets: tuple[Target, ...], preprocessing: Preprocessing, calibrate: str, on_progress: Progress
) -> Calibration | None:
    if not any(target.precision in (*NEED_CALIBRATION, "binary") for target in targets):
        return None
    if calibrate:
        return (read_calibration(calibrate, preprocessing, progress=on_progress),)
    recipe = load_recipe(run.recipe)
    dataset, _ = load_for(recipe, on_progress=on_progress)
    count = min(recipe.convert.calibration, len(dataset.train))
    return (calibration_batch(dataset.train, preprocessing, count=count, seed=recipe.train.seed),)
