"""Whether a file computes on a device, or with other kernels, what it computes here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from pathlib import Path

import numpy as np

from edgecompress.data import load
from edgecompress.data.stratified import stratified_order
from edgecompress.devices.address import Address
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError, EdgeCompressError, RuntimeRefusal, UnsupportedModelError
from edgecompress.numerics.affine import dequantize
from edgecompress.numerics.paired import PairedDrop, paired_drop
from edgecompress.pipeline.feeding import Feed, Range, feed_as, feed_images
from edgecompress.pipeline.networks.task import task_of_run
from edgecompress.pipeline.on_devices.cases import (
    Case,
    cases_of,
    labelled_case,
    noise_case,
    run_records,
    unscored_if_others,
)
from edgecompress.pipeline.on_devices.fleet import on_each
from edgecompress.pipeline.on_devices.profile import parse_devices
from edgecompress.pipeline.train import load_for
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.losses import only_itself
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.runner.outputs import outputs_on
from edgecompress.progress import Progress, silent
from edgecompress.recipes import load_recipe
from edgecompress.runs.folder import open_run
from edgecompress.runtimes.engines.session import DEFAULT_KERNELS
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.runtimes.shapes import require_known_names
from edgecompress.tasks import ONE_CLASS, decisions, rightness
from edgecompress.values import Artifact, Failure, TensorSpec
from edgecompress.verification import Accuracy, Compared, accuracy_of, best, compare

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
    input. What is plainly garbage is a failure. A file that fails, here or on a device, costs only itself there.

    Raises:
        DataError: the data cannot be had, or nothing tells which values the only file takes.
        DeviceError: there is no such device, or the only one cannot be asked.
        ModelFileError, RuntimeRefusal, UnsupportedModelError: the same about the only file, or a shape is given for an
            input that no file has.
    """
    addresses = parse_devices(devices) if devices else []
    found = _COUNTED.fullmatch(data)
    count = limit or (int(found["count"]) if found else IMAGES)
    plan, given = Plan(shapes=tuple(shapes)), dict(shapes)
    require_known_names(paths, given)
    if not data:
        noise = partial(noise_case, count=count, input_range=input_range, shapes=given, on_progress=on_progress)
        return _compare(*cases_of(paths, str, noise), addresses, kernels, on_progress, plan)
    dataset = load(found["name"] if found else data, on_progress=on_progress)
    order = stratified_order(dataset.test.labels, seed=0)[:count]
    images, labels = dataset.test.images[order], dataset.test.labels[order]

    def pictures(path: Path) -> Case:
        feed = partial(feed_images, path, images=images, input_range=input_range)
        case = labelled_case(path, str(path), feed, labels, ONE_CLASS, shapes=given, on_progress=on_progress)
        return unscored_if_others(case, dataset)

    return _compare(*cases_of(paths, str, pictures), addresses, kernels, on_progress, plan)


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
    recipe, intake, task = load_recipe(run.recipe), run.intake(), task_of_run(run)
    dataset = load_for(recipe, intake, task, run=run, on_progress=on_progress)
    order = stratified_order(dataset.test.labels, seed=recipe.train.seed)[: limit or IMAGES]
    images, labels = dataset.test.images[order], dataset.test.labels[order]

    def samples(artifact: Artifact) -> Case:
        def feed(specs: Sequence[TensorSpec]) -> Feed:
            return feed_as(intake, specs, images, "as the run was trained")

        path = run.artifact_path(artifact)
        return labelled_case(path, artifact.path, feed, labels, task, shapes={}, on_progress=on_progress)

    cases, failures = cases_of(run.read_artifacts(), attrgetter("path"), samples)
    return _compare(cases, failures, addresses, kernels, on_progress, Plan())


def _compare(
    cases: list[Case],
    failures: list[Failure],
    addresses: Sequence[Address],
    kernels: Sequence[str],
    on_progress: Progress,
    plan: Plan,
) -> tuple[list[DeviceAgreement], list[Failure]]:
    """Compare the cases; `failures` are those of files that are none."""
    by_kernels, refused = _with_kernels(cases, kernels, on_progress)
    found, failures = list[DeviceAgreement](), failures + refused
    if addresses and cases:
        work = partial(_on_device, cases=cases, plan=plan, raises=len(cases) == 1 and not failures)
        results, failed = on_each(addresses, work, on_progress=on_progress)
        for agreements, lost in results:
            found += agreements
            failures += lost
        failures += failed
    found += by_kernels
    garbage = [
        Failure(
            each.device,
            f"{each.device} computes garbage for {each.artifact}: {each.garbage}.",
            "Trust no figure of it; another version of the runtime, or of the emulator, may compute rightly.",
            each.artifact,
        )
        for each in found
        if each.garbage
    ]
    return found, failures + garbage


def _on_device(
    transport: Transport, on_progress: Progress, *, cases: Sequence[Case], plan: Plan, raises: bool
) -> tuple[list[DeviceAgreement], list[Failure]]:
    """What one device gives, and the files that fail on it; with `raises`, the first that does raises its error."""
    found, failures = list[DeviceAgreement](), list[Failure]()
    with Bench(transport, plan) as bench:

        def note(path: Path | None, error: EdgeCompressError) -> None:
            failures.append(Failure(bench.device, error.message, error.hint, str(path or "")))

        try:
            for index, case in enumerate(cases):
                on_progress(f"verifying on {bench.device}", index, len(cases))
                with only_itself(bench, case.path, None if raises else note, bench.abort):
                    found.append(_agreement(case, bench.device, outputs_on(bench, case.path, case.feed.records)))
        except DeviceError as error:  # it has gone, with all that was left to do
            if raises:
                raise
            note(None, error)
        on_progress(f"verifying on {bench.device}", len(cases), len(cases))
    return found, failures


def _with_kernels(
    cases: list[Case], kernels: Sequence[str], on_progress: Progress
) -> tuple[list[DeviceAgreement], list[Failure]]:
    found, failures = [], []
    for family in (each for each in kernels if each != DEFAULT_KERNELS):
        device = f"local, {family} kernels"
        for case in (each for each in cases if each.path.suffix.lower() == ".tflite"):
            try:
                with RuntimeProcess(case.path, kernels=family) as process:
                    outputs = run_records(process, case.feed, f"{case.name} by {family}", on_progress)
                found.append(_agreement(case, device, outputs))
            except (RuntimeRefusal, UnsupportedModelError) as error:
                failures.append(Failure(device, error.message, error.hint, case.name))
    return found, failures


def _agreement(case: Case, device: str, found: list[np.ndarray]) -> DeviceAgreement:
    forms = [(each.size, each.dtype) for each in found]
    if forms != [(each.size, each.dtype) for each in case.found]:
        raise DeviceError(f"The outputs of {case.path.name} on {device} have another form than here.")
    count = len(case.feed.records)
    pairs = [
        tuple(_real(raw, spec, count) for raw in both)
        for *both, spec in zip(case.found, found, case.outputs, strict=True)
    ]
    decide = best if case.labels is None else partial(decisions, case.task)
    compared = [compare(here, there, step, decide) for (here, there), step in zip(pairs, case.steps, strict=True)]
    right = None if case.labels is None else [rightness(case.task, scores, case.labels) for scores in pairs[0]]
    return DeviceAgreement(
        **vars(_worst(compared)),
        artifact=case.name,
        device=device,
        images=count,
        accuracy=accuracy_of(right[1]) if right else None,
        drop=paired_drop(*right) if right else None,
        assumed=case.feed.assumed,
    )


def _real(raw: np.ndarray, spec: TensorSpec, count: int) -> np.ndarray:
    """Stacked outputs (N, ...) as real numbers (N, ...)."""
    shape = raw.shape[1:] if raw.ndim > len(spec.shape) else raw.shape
    real = dequantize(raw.reshape(-1, *shape[1:]), spec)
    return real if len(real) == count else real.reshape(count, -1)


def _worst(compared: list[Compared]) -> Compared:
    """The figures of the output that is furthest off, figure by figure."""
    return replace(
        max(compared, key=lambda each: (each.largest_steps, each.largest_difference)),
        largest_difference=max(each.largest_difference for each in compared),
        equal_outputs=min(each.equal_outputs for each in compared),
        equal_argmax=min((each.equal_argmax for each in compared if each.equal_argmax is not None), default=None),
        garbage="; ".join(each.garbage for each in compared if each.garbage),
    )
