"""Whether a file computes on a device what it computes here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgecompress.convert.embedded import embedded_preprocessing
from edgecompress.data import load
from edgecompress.data.preprocessing import fit_pixels, scale_pixels
from edgecompress.data.stratified import stratified_order
from edgecompress.devices.address import Address
from edgecompress.devices.transport import Transport
from edgecompress.errors import DataError, DeviceError, UnsupportedModelError
from edgecompress.formats.read import read_model
from edgecompress.numerics.affine import dequantize, quantize
from edgecompress.pipeline.fleet import on_each
from edgecompress.pipeline.profile import parse_devices
from edgecompress.pipeline.train import load_for
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.outputs import outputs_on
from edgecompress.profiling.plan import Plan
from edgecompress.progress import Progress, silent
from edgecompress.recipes import load_recipe
from edgecompress.runs import open_run
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.runtimes.shapes import Shapes, fixed_shapes, require_known_names
from edgecompress.values import Failure, Preprocessing, TensorSpec
from edgecompress.verification import Accuracy, accuracy, compare, output_step

IMAGES = 200
_COUNTED = re.compile(r"(?P<name>.+):(?P<count>[1-9][0-9]{0,6})", re.DOTALL)


@dataclass(frozen=True)
class DeviceAgreement:
    """One file on one device against the same file on this machine; a step is one unit of the quantized output."""

    artifact: str
    device: str
    images: int
    equal_outputs: float  # percent of output elements
    equal_argmax: float  # percent of images
    largest_difference: float
    step: float  # 0: the outputs are not quantized
    largest_steps: float
    accuracy: Accuracy  # on the device


@dataclass(frozen=True, eq=False)
class _Case:
    """A file with its inputs, and what they give on this machine."""

    path: Path
    name: str
    stored: np.ndarray
    labels: np.ndarray
    output: TensorSpec
    scores: np.ndarray
    step: float


def verify_files(
    paths: Sequence[Path],
    *,
    devices: Sequence[str],
    data: str,
    shapes: Sequence[tuple[str, tuple[int, ...]]] = (),
    limit: int = 0,
    on_progress: Progress = silent,
) -> tuple[list[DeviceAgreement], list[Failure]]:
    """Compare files with one input and one output; `data` is a data set's name, with `:IMAGES` behind it if wanted.

    The preprocessing is what edgecompress has embedded in a file, or else the MobileNets' for the size of its input.

    Raises:
        DataError: no data set is named, or it cannot be had.
        DeviceError, ModelFileError, RuntimeRefusal, UnsupportedModelError: as their names say.
    """
    if not data:
        raise DataError("Images are needed to compare outputs.", hint="Name them: `--data fashion_mnist:200`.")
    addresses = parse_devices(devices)
    found = _COUNTED.fullmatch(data)
    dataset = load(found["name"] if found else data, progress=on_progress)
    count = limit or (int(found["count"]) if found else IMAGES)
    order = stratified_order(dataset.test.labels, seed=0)[:count]
    images, labels = dataset.test.images[order], dataset.test.labels[order]
    require_known_names(paths, dict(shapes))
    cases = [_case(path, str(path), images, labels, None, on_progress, dict(shapes)) for path in paths]
    return _on_devices(cases, addresses, on_progress, Plan(shapes=tuple(shapes)))


def verify_run_on(
    folder: Path, *, devices: Sequence[str], limit: int = 0, on_progress: Progress = silent
) -> tuple[list[DeviceAgreement], list[Failure]]:
    """Compare every file of a run, on `limit` images of its test split (200 if not told).

    Raises what `verify_files` raises, and RunFolderError.
    """
    addresses, run = parse_devices(devices), open_run(folder)
    recipe, preprocessing = load_recipe(run.recipe), run.preprocessing()
    dataset, _ = load_for(recipe, run=run, on_progress=on_progress)
    order = stratified_order(dataset.test.labels, seed=recipe.train.seed)[: limit or IMAGES]
    images, labels = dataset.test.images[order], dataset.test.labels[order]
    cases = [
        _case(run.artifact_path(artifact), artifact.path, images, labels, preprocessing, on_progress)
        for artifact in run.read_artifacts()
    ]
    return _on_devices(cases, addresses, on_progress)


def _case(
    path: Path,
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    preprocessing: Preprocessing | None,
    on_progress: Progress,
    shapes: Shapes | None = None,
) -> _Case:
    with RuntimeProcess(path) as process:
        inputs, outputs, _ = process.describe()
        lengths = fixed_shapes(inputs, shapes or {}, model=path.name)
        inputs = tuple(replace(spec, shape=shape) for spec, shape in zip(inputs, lengths, strict=True))
        if len(inputs) != 1 or len(outputs) != 1:
            raise UnsupportedModelError(
                f"{path.name} has {len(inputs)} inputs and {len(outputs)} outputs; images need one of each."
            )
        preprocessing = preprocessing or embedded_preprocessing(read_model(path).metadata) or _usual(inputs[0], path)
        values = scale_pixels(fit_pixels(images, preprocessing), preprocessing)
        found = process.run_batch(values, on_progress=on_progress)
    step = output_step(path) if path.suffix == ".tflite" else 0.0
    scores = dequantize(found, outputs[0]).reshape(len(images), -1)
    output = replace(outputs[0], shape=found[:1].shape)  # with the lengths that the input's gave to free axes
    return _Case(path, name, quantize(values, inputs[0]), labels, output, scores, step)


def _usual(spec: TensorSpec, path: Path) -> Preprocessing:
    if len(spec.shape) != 4 or spec.shape[3] not in (1, 3):
        raise UnsupportedModelError(f"{path.name} takes an input of shape {spec.shape}, which is no image (NHWC).")
    return Preprocessing(spec.shape[1], spec.shape[2], spec.shape[3])


def _on_devices(
    cases: list[_Case], addresses: Sequence[Address], on_progress: Progress, plan: Plan | None = None
) -> tuple[list[DeviceAgreement], list[Failure]]:
    def work(transport: Transport, report: Progress) -> list[DeviceAgreement]:
        with Bench(transport, plan or Plan()) as bench:
            found = []
            for index, case in enumerate(cases):
                report(f"verifying on {bench.device}", index, len(cases))
                found.append(_agreement(bench, case))
            report(f"verifying on {bench.device}", len(cases), len(cases))
            return found

    results, failures = on_each(addresses, work, on_progress=on_progress)
    return [each for found in results for each in found], failures


def _agreement(bench: Bench, case: _Case) -> DeviceAgreement:
    records = [[case.stored[index : index + 1]] for index in range(len(case.stored))]
    outputs = outputs_on(bench, case.path, records)
    if len(outputs) != 1 or outputs[0].size != case.scores.size or outputs[0].dtype != case.output.dtype:
        raise DeviceError(f"The outputs of {case.path.name} on {bench.device} have another form than here.")
    stored = outputs[0].reshape(-1, *case.output.shape[1:])
    scores = dequantize(stored, case.output).reshape(len(records), -1)
    result = compare(case.scores, scores, "", "", case.step)
    return DeviceAgreement(
        case.name,
        bench.device,
        len(records),
        result.equal_outputs,
        result.equal_argmax,
        result.largest_difference,
        case.step,
        result.largest_steps,
        accuracy(scores, case.labels),
    )
