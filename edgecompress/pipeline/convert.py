"""Trained models to files, from a run folder or from a model file."""

from __future__ import annotations

from pathlib import Path

from edgecompress.convert.conversion import convert, relative_to
from edgecompress.convert.making import Source
from edgecompress.convert.targets import Options, Target
from edgecompress.convert.tflite.binary.meant import meant_binary
from edgecompress.convert.tflite.post_training import NEED_CALIBRATION, Calibration
from edgecompress.data.calibration import calibration_batch, read_calibration
from edgecompress.errors import ConversionError, RunFolderError, UnsupportedModelError
from edgecompress.formats.tflite import read_graph
from edgecompress.keras_bridge.graph import copy_model
from edgecompress.keras_bridge.load import is_quantization_aware, load_model
from edgecompress.pipeline.train import load_for
from edgecompress.progress import Progress, silent
from edgecompress.recipes import load_recipe
from edgecompress.runs import RunFolder
from edgecompress.runtimes.check import check_runs
from edgecompress.storage import sha256_of
from edgecompress.values import Artifact, Preprocessing


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
    input_range: tuple[float, float] = (-1.0, 1.0),
    calibrate: str = "",
    trust: bool = False,
    on_progress: Progress = silent,
) -> list[Artifact]:
    """Emit a model file for each target into `folder`; `input_range` is what pixels 0..255 are mapped to.

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
    preprocessing, calibration = _preparation(
        path, [tuple(tensor.shape) for tensor in model.inputs], input_range, calibrate, on_progress
    )
    source = Source(
        variant=path.stem,
        model=model,
        origin=f"{path.name} sha256:{sha256_of(path)}",
        quantized=model if quantization_aware else None,
        preprocessing=preprocessing,
    )
    files = convert(source, targets, folder, options=options, calibration=calibration, on_progress=on_progress)
    return record(RunFolder(folder), relative_to(folder, files))


def _convert_emitted(
    path: Path,
    targets: tuple[Target, ...],
    folder: Path,
    *,
    options: Options,
    input_range: tuple[float, float],
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
    shapes = _input_shapes(path)
    preprocessing, calibration = _preparation(path, shapes, input_range, calibrate, on_progress)
    source = Source(
        variant=path.stem,
        model=path.read_bytes(),
        origin=f"{path.name} sha256:{sha256_of(path)}",
        preprocessing=preprocessing,
    )
    return convert(source, targets, folder, options=options, calibration=calibration, on_progress=on_progress)


def _input_shapes(path: Path) -> list[tuple[int, ...]]:
    """Read and run a file before anything of it is computed with: reading is bounded, running in a process of its own.

    A TFLite file with custom operators may be one that its runtime refuses before it is converted, as Larq's are.
    """
    if path.suffix.lower() == ".tflite":
        graph = read_graph(path)
        if any(operator.kind == "CUSTOM" for operator in graph.operators):
            return [graph.tensors[index].spec.shape for index in graph.inputs]
    inputs, _, _ = check_runs(path)
    return [spec.shape for spec in inputs]


def _preparation(
    path: Path,
    shapes: list[tuple[int, ...]],
    input_range: tuple[float, float],
    calibrate: str,
    on_progress: Progress,
) -> tuple[Preprocessing | None, Calibration | None]:
    """Return how images become the model's input, where it takes images, and those to calibrate with."""
    preprocessing = _image_preprocessing(shapes, input_range)
    if not calibrate:
        return preprocessing, None
    if preprocessing is None:
        raise UnsupportedModelError(
            f"'{path}' takes inputs of the shape {shapes[0]}, which are not images of 1 or 3 channels.",
            hint="Calibration data sets hold images; use tflite:dynamic, which needs no calibration.",
        )
    return preprocessing, (read_calibration(calibrate, preprocessing, progress=on_progress),)


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


def _image_preprocessing(shapes: list[tuple[int, ...]], input_range: tuple[float, float]) -> Preprocessing | None:
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][3] not in (1, 3) or {None, -1} & set(shapes[0][1:]):
        return None
    low, high = input_range
    _, height, width, channels = shapes[0]
    return Preprocessing(height, width, channels, scale=((high - low) / 255,), offset=(low,))
