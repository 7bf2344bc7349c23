"""Whether a file computes on a device, or with other kernels, what it computes here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgecompress.data import Dataset, load
from edgecompress.data.stratified import stratified_order
from edgecompress.devices.address import Address
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError, RuntimeRefusal, UnsupportedModelError
from edgecompress.numerics.affine import dequantize
from edgecompress.numerics.paired import PairedDrop, paired_drop
from edgecompress.pipeline.feeding import Feed, Range, feed_as, feed_images, feed_noise
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
from edgecompress.runtimes.session import DEFAULT_KERNELS
from edgecompress.runtimes.shapes import Shapes, fixed_shapes, require_known_names
from edgecompress.values import Failure, TensorSpec
from edgecompress.verification import Accuracy, Compared, accuracy, compare, output_steps, right_flags

IMAGES = 200
_COUNTED = re.compile(r"(?P<name>.+):(?P<count>[1-9][0-9]{0,6})", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class DeviceAgreement(Compared):
    """One file on one device, or with one family of kernels here, against the same file on this machine.

    Of several outputs it is the worst of each figure.
    """

    artifact: str
    device: str  # "local, builtin kernels" is this machine with a family of LiteRT's kernels
    images: int
    accuracy: Accuracy | None  # on the device; None without labels
    drop: PairedDrop | None  # below this machine, on the same images
    assumed: str  # what the file was fed with

    @property
    def title(self) -> str:
        """What was compared."""
        return f"{self.artifact} on {self.device}"


@dataclass(frozen=True, eq=False)
class _Case:
    """A file with its inputs, and what they give on this machine."""

    path: Path
    name: str
    feed: Feed
    labels: np.ndarray | None
    outputs: tuple[TensorSpec, ...]
    found: list[np.ndarray]  # one stacked array (N, 1, ...) an output, raw
    steps: tuple[float, ...]  # of each output; 0 where it is not quantized


def verify_files(
    paths: Sequence[Path],
    *,
    devices: Sequence[str | Address],
    data: str = "",
    limit: int = 0,
    input_range: Range | None = None,
    shapes: Sequence[tuple[str, tuple[int, ...]]] = (),
    kernels: Sequence[str] = (),
    on_progress: Progress = silent,
) -> tuple[list[DeviceAgreement], list[Failure]]:
    """Compare what files compute on devices, and with families of LiteRT's kernels, with what they compute here.

    `data` is a data set's name, with `:IMAGES` behind it if wanted; without it, the inputs are random. Which values
    they have is told by the file, or by `input_range`; how long free axes are, by `shapes`, a name and a shape an
    input. What is plainly garbage is a failure.

    Raises:
        DataError: the data cannot be had, or nothing tells which values a file takes.
        DeviceError, ModelFileError, RuntimeRefusal, UnsupportedModelError: as their names say.
    """
    addresses = parse_devices(devices) if devices else []
    found = _COUNTED.fullmatch(data)
    count = limit or (int(found["count"]) if found else IMAGES)
    plan, given = Plan(shapes=tuple(shapes)), dict(shapes)
    require_known_names(paths, given)
    if not data:
        cases = [_noise_case(path, count, input_range, given, on_progress) for path in paths]
        return _compare(cases, addresses, kernels, on_progress, plan)
    dataset = load(found["name"] if found else data, progress=on_progress)
    order = stratified_order(dataset.test.labels, seed=0)[:count]
    images, labels = dataset.test.images[order], dataset.test.labels[order]
    cases = []
    for path in paths:
        with RuntimeProcess(path) as process:
            feed = feed_images(path, _only_input(process, path, given), images, input_range=input_range)
            case = _case(process, path, str(path), feed, labels, on_progress)
            cases.append(_unscored_if_others(case, dataset))
    return _compare(cases, addresses, kernels, on_progress, plan)


def verify_run_on(
    folder: Path,
    *,
    devices: Sequence[str | Address],
    limit: int = 0,
    kernels: Sequence[str] = (),
    on_progress: Progress = silent,
) -> tuple[list[DeviceAgreement], list[Failure]]:
    """Compare every file of a run, on `limit` images of its test split (200 if not told).

    Raises what `verify_files` raises, and RunFolderError.
    """
    addresses, run = parse_devices(devices), open_run(folder)
    recipe, preprocessing = load_recipe(run.recipe), run.preprocessing()
    dataset, _ = load_for(recipe, run=run, on_progress=on_progress)
    order = stratified_order(dataset.test.labels, seed=recipe.train.seed)[: limit or IMAGES]
    images, labels = dataset.test.images[order], dataset.test.labels[order]
    cases = []
    for artifact in run.read_artifacts():
        path = run.artifact_path(artifact)
        with RuntimeProcess(path) as process:
            feed = feed_as(preprocessing, _only_input(process, path, {}), images, "as the run was trained")
            cases.append(_case(process, path, artifact.path, feed, labels, on_progress))
    return _compare(cases, addresses, kernels, on_progress, Plan())


def _noise_case(path: Path, count: int, input_range: Range | None, given: Shapes, on_progress: Progress) -> _Case:
    with RuntimeProcess(path) as process:
        feed = feed_noise(path, process, _fixed_inputs(process, path, given), count=count, input_range=input_range)
        return _case(process, path, str(path), feed, None, on_progress)


def _fixed_inputs(process: RuntimeProcess, path: Path, given: Shapes) -> list[TensorSpec]:
    inputs, _, _ = process.describe()
    lengths = fixed_shapes(inputs, given, model=path.name)
    return [replace(spec, shape=shape) for spec, shape in zip(inputs, lengths, strict=True)]


def _only_input(process: RuntimeProcess, path: Path, given: Shapes) -> TensorSpec:
    inputs, (_, outputs, _) = _fixed_inputs(process, path, given), process.describe()
    if len(inputs) != 1 or len(outputs) != 1:
        raise UnsupportedModelError(
            f"{path.name} has {len(inputs)} inputs and {len(outputs)} outputs; images need one of each.",
            hint="Leave out `--data`: it is then compared on random inputs.",
        )
    return inputs[0]


def _case(
    process: RuntimeProcess, path: Path, name: str, feed: Feed, labels: np.ndarray | None, on_progress: Progress
) -> _Case:
    _, outputs, _ = process.describe()
    found = _run(process, feed, name, on_progress)
    return _Case(path, name, feed, labels, outputs, found, output_steps(path, outputs))


def _unscored_if_others(case: _Case, dataset: Dataset) -> _Case:
    """The case without labels where the file's classes are not those of the data: its accuracy would mean nothing."""
    width, classes, named = case.found[0].size // len(case.feed.records), len(dataset.labels), case.feed.labels
    if width == classes and named in ((), dataset.labels):
        return case
    outputs = f"{width} outputs" if width != classes else "other classes"
    why = f"{case.feed.assumed}; it has {outputs} and {dataset.name} {classes} classes, so that none is right or wrong"
    return replace(case, labels=None, feed=replace(case.feed, assumed=why))


def _run(process: RuntimeProcess, feed: Feed, name: str, on_progress: Progress) -> list[np.ndarray]:
    rows = []
    for index, record in enumerate(feed.records):
        on_progress(f"running {name} here", index, len(feed.records))
        rows.append(process.run(record))
    on_progress(f"running {name} here", len(feed.records), len(feed.records))
    return [np.stack(output) for output in zip(*rows, strict=True)]


def _compare(
    cases: list[_Case], addresses: Sequence[Address], kernels: Sequence[str], on_progress: Progress, plan: Plan
) -> tuple[list[DeviceAgreement], list[Failure]]:
    def work(transport: Transport, report: Progress) -> list[DeviceAgreement]:
        with Bench(transport, plan) as bench:
            found = []
            for index, case in enumerate(cases):
                report(f"verifying on {bench.device}", index, len(cases))
                found.append(_agreement(case, bench.device, outputs_on(bench, case.path, case.feed.records)))
            report(f"verifying on {bench.device}", len(cases), len(cases))
            return found

    found, failures = _with_kernels(cases, kernels, on_progress)
    if addresses:
        results, failed = on_each(addresses, work, on_progress=on_progress)
        found, failures = [each for result in results for each in result] + found, failed + failures
    garbage = [
        Failure(
            each.device,
            f"{each.device} computes garbage for {each.artifact}: {each.garbage}.",
            "Trust no figure of it; another version of the runtime, or of the emulator, may compute rightly.",
        )
        for each in found
        if each.garbage
    ]
    return found, failures + garbage


def _with_kernels(
    cases: list[_Case], kernels: Sequence[str], on_progress: Progress
) -> tuple[list[DeviceAgreement], list[Failure]]:
    found, failures = [], []
    for family in (each for each in kernels if each != DEFAULT_KERNELS):
        device = f"local, {family} kernels"
        for case in (each for each in cases if each.path.suffix.lower() == ".tflite"):
            try:
                with RuntimeProcess(case.path, kernels=family) as process:
                    outputs = _run(process, case.feed, f"{case.name} by {family}", on_progress)
                found.append(_agreement(case, device, outputs))
            except (RuntimeRefusal, UnsupportedModelError) as error:
                failures.append(Failure(device, error.message, error.hint))
    return found, failures


def _agreement(case: _Case, device: str, found: list[np.ndarray]) -> DeviceAgreement:
    forms = [(each.size, each.dtype) for each in found]
    if forms != [(each.size, each.dtype) for each in case.found]:
        raise DeviceError(f"The outputs of {case.path.name} on {device} have another form than here.")
    count = len(case.feed.records)
    pairs = [
        tuple(_real(raw, spec, count) for raw in both)
        for *both, spec in zip(case.found, found, case.outputs, strict=True)
    ]
    compared = [compare(here, there, step) for (here, there), step in zip(pairs, case.steps, strict=True)]
    right = None if case.labels is None else [right_flags(scores, case.labels) for scores in pairs[0]]
    return DeviceAgreement(
        **vars(_worst(compared)),
        artifact=case.name,
        device=device,
        images=count,
        accuracy=accuracy(pairs[0][1], case.labels) if case.labels is not None else None,
        drop=paired_drop(*right) if right else None,
        assumed=case.feed.assumed,
    )


def _real(raw: np.ndarray, spec: TensorSpec, count: int) -> np.ndarray:
    """Stacked outputs (N, ...) as real numbers (N x M)."""
    shape = raw.shape[1:] if raw.ndim > len(spec.shape) else raw.shape
    return dequantize(raw.reshape(-1, *shape[1:]), spec).reshape(count, -1)


def _worst(compared: list[Compared]) -> Compared:
    """The figures of the output that is furthest off, figure by figure."""
    return replace(
        max(compared, key=lambda each: (each.largest_steps, each.largest_difference)),
        largest_difference=max(each.largest_difference for each in compared),
        equal_outputs=min(each.equal_outputs for each in compared),
        equal_argmax=min(each.equal_argmax for each in compared),
        garbage="; ".join(each.garbage for each in compared if each.garbage),
    )
