"""Files with their inputs and what they give on this machine, which devices and kernels are compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from edgecompress.data import Dataset
from edgecompress.errors import EdgeCompressError, UnsupportedModelError
from edgecompress.pipeline.feeding import Feed, Range, feed_noise
from edgecompress.progress import Progress
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.runtimes.shapes import Shapes, fixed_shapes
from edgecompress.tasks import ONE_CLASS, Task
from edgecompress.values import Failure, TensorSpec
from edgecompress.verification import output_steps

Source = TypeVar("Source")


@dataclass(frozen=True, eq=False)
class Case:
    """A file with its inputs, and what they give on this machine."""

    path: Path
    name: str
    feed: Feed
    labels: np.ndarray | None
    task: Task  # what the labels are of
    outputs: tuple[TensorSpec, ...]
    found: list[np.ndarray]  # one stacked array (N, 1, ...) an output, raw
    steps: tuple[float, ...]  # of each output; 0 where it is not quantized


def cases_of(
    sources: Sequence[Source], name: Callable[[Source], str], make: Callable[[Source], Case]
) -> tuple[list[Case], list[Failure]]:
    """Make the case of each source; one that fails costs only itself. Raises what `make` does for the only one."""
    cases, failures = list[Case](), list[Failure]()
    for source in sources:
        try:
            cases.append(make(source))
        except EdgeCompressError as error:
            if len(sources) == 1:
                raise
            failures.append(Failure("local", error.message, error.hint, name(source)))
    return cases, failures


def noise_case(path: Path, *, count: int, input_range: Range | None, shapes: Shapes, on_progress: Progress) -> Case:
    """Feed a file `count` random records. Raises what `feed_noise` and RuntimeProcess do."""
    with RuntimeProcess(path) as process:
        inputs = _fixed_inputs(process, path, shapes)
        feed = feed_noise(path, process, inputs, count=count, input_range=input_range)
        return _case(process, path, str(path), feed, None, ONE_CLASS, on_progress)


def labelled_case(
    path: Path,
    name: str,
    feed: Callable[[Sequence[TensorSpec]], Feed],
    labels: np.ndarray,
    task: Task,
    *,
    shapes: Shapes,
    on_progress: Progress,
) -> Case:
    """Feed a file what `feed` makes of samples for its inputs, whose labels are known.

    Raises UnsupportedModelError if it has several outputs, and what `feed` and RuntimeProcess do.
    """
    with RuntimeProcess(path) as process:
        inputs, (_, outputs, _) = _fixed_inputs(process, path, shapes), process.describe()
        if len(outputs) != 1:
            raise UnsupportedModelError(
                f"{path.name} has {len(outputs)} outputs, and labels are of one.",
                hint="Leave out `--data`: it is then compared on random inputs.",
            )
        return _case(process, path, name, feed(inputs), labels, task, on_progress)


def unscored_if_others(case: Case, dataset: Dataset) -> Case:
    """The case without labels where the file's classes are not those of the data: its accuracy would mean nothing."""
    width, classes, named = case.found[0].size // len(case.feed.records), len(dataset.labels), case.feed.labels
    if not dataset.has_classes or dataset.train.labels.ndim > 1:
        why = f"{case.feed.assumed}; the labels of {dataset.name} are no classes, so that none is right or wrong"
        return replace(case, labels=None, feed=replace(case.feed, assumed=why))
    if width == classes and named in ((), dataset.labels):
        return case
    outputs = f"{width} outputs" if width != classes else "other classes"
    why = f"{case.feed.assumed}; it has {outputs} and {dataset.name} {classes} classes, so that none is right or wrong"
    return replace(case, labels=None, feed=replace(case.feed, assumed=why))


def run_records(process: RuntimeProcess, feed: Feed, name: str, on_progress: Progress) -> list[np.ndarray]:
    """Run all records here; one stacked array (N, 1, ...) an output, raw."""
    rows = []
    for index, record in enumerate(feed.records):
        on_progress(f"running {name} here", index, len(feed.records))
        rows.append(process.run(record))
    on_progress(f"running {name} here", len(feed.records), len(feed.records))
    return [np.stack(output) for output in zip(*rows, strict=True)]


def _fixed_inputs(process: RuntimeProcess, path: Path, shapes: Shapes) -> list[TensorSpec]:
    inputs, _, _ = process.describe()
    lengths = fixed_shapes(inputs, shapes, model=path.name)
    return [replace(spec, shape=shape) for spec, shape in zip(inputs, lengths, strict=True)]


def _case(
    process: RuntimeProcess,
    path: Path,
    name: str,
    feed: Feed,
    labels: np.ndarray | None,
    task: Task,
    on_progress: Progress,
) -> Case:
    _, outputs, _ = process.describe()
    found = run_records(process, feed, name, on_progress)
    return Case(path, name, feed, labels, task, outputs, found, output_steps(path, outputs))
