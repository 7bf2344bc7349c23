"""An emitted file against its source: both run on the same inputs, output by output, before the file counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgecompress.convert.agreement import BOUNDS, PERTURBATION, STABLE_DB, Differences
from edgecompress.convert.probes import SEED, Probes
from edgecompress.environment import load_tensorflow
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite.graph import Graph
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.runtimes.samples import run_samples
from edgecompress.tfmot.native import native
from edgecompress.values import Agreement, TensorSpec

Arrays = Sequence[np.ndarray]
RANDOM = 2.0**-10  # of the largest output: threads may add up in another order, and are far below


@dataclass(frozen=True, eq=False)
class Reference:
    """What a source computes from the probes; `compute` is the source as a function of N samples an input."""

    name: str  # of the source, in messages
    probes: Probes
    compute: Callable[[Arrays], list[np.ndarray]]
    computed: Callable[[], list[np.ndarray]] | None = None  # the outputs, where other probes share their run

    @cached_property
    def outputs(self) -> list[np.ndarray]:
        """N samples of each output.

        Raises:
            ConversionError: none of the numbers is finite, so that there is nothing to compare with.
        """
        outputs = self.computed() if self.computed else self.compute(self.probes.arrays)
        if any(not np.isfinite(output).any() for output in outputs):
            raise ConversionError(
                f"From {self.probes.kind} in the range of its inputs, '{self.name}' computes nothing that is finite.",
                hint="A weight may be NaN or infinite, a layer may divide by zero, or the input range is another.",
            )
        return outputs

    @cached_property
    def responses(self) -> list[float]:
        """Root mean square of the change of each output when every input changes by up to `PERTURBATION` of itself.

        Raises:
            ConversionError: the outputs change when nothing does.
        """
        generator = np.random.default_rng(SEED)
        changed = [
            (array * (1 + PERTURBATION * generator.uniform(-1, 1, array.shape))).astype(array.dtype)
            if array.dtype.kind == "f"
            else array
            for array in self.probes.arrays
        ]
        # A run of their own, as that of the changed ones: some sources compute another thing in a larger batch.
        unchanged = self.compute(self.probes.arrays) if self.computed else self.outputs
        self._require_repeated(unchanged)
        differences = [
            np.subtract(new, old, dtype=np.float64)[np.isfinite(new) & np.isfinite(old)]
            for new, old in zip(self.compute(changed), unchanged, strict=True)
        ]
        return [float(np.sqrt(np.square(each).mean())) if each.size else 0.0 for each in differences]

    def _require_repeated(self, outputs: list[np.ndarray]) -> None:
        for old, new in zip(outputs, self.compute(self.probes.arrays), strict=True):
            most = float(np.abs(old[np.isfinite(old)], dtype=np.float64).max(initial=0.0))
            if not np.allclose(new, old, rtol=0, atol=RANDOM * most, equal_nan=True):
                raise ConversionError(
                    f"'{self.name}' gives other outputs for the same inputs: it draws random numbers.",
                    hint="A file is compared with its source. Leave out what samples, or is called with training=True.",
                )


def references(
    name: str, compute: Callable[[Arrays], list[np.ndarray]], *sets: Probes
) -> dict[Literal["calibration", "noise"], Reference]:
    """One source on several sets of probes, by their kind, computed in one run where their types and shapes are equal.

    Keras takes hardly longer for all of them than for one: most of its time is between its operations.
    """
    forms = {tuple((array.dtype, array.shape[1:]) for array in probes.arrays) for probes in sets}
    if len(forms) != 1:
        return {probes.kind: Reference(name, probes, compute) for probes in sets}

    @cache
    def joined() -> list[np.ndarray]:
        return compute([np.concatenate(column) for column in zip(*(probes.arrays for probes in sets), strict=True)])

    def part(start: int, count: int) -> list[np.ndarray]:
        return [output[start : start + count] for output in joined()]

    counts = [len(probes.arrays[0]) for probes in sets]
    return {
        probes.kind: Reference(name, probes, compute, partial(part, sum(counts[:place]), counts[place]))
        for place, probes in enumerate(sets)
    }


def keras_function(model: Any) -> Callable[[Arrays], list[np.ndarray]]:
    """A Keras model at inference as a function of N samples an input; sample by sample where its batch is fixed.

    It raises `ConversionError` where the model does not run.
    """
    computing = native(model)

    def call(arrays: Arrays) -> list[np.ndarray]:
        try:
            return computing.compute(arrays)
        except (ValueError, TypeError, load_tensorflow().errors.OpError) as error:
            raise ConversionError(
                f"'{computing.name}' does not run on inputs of its shapes and types.",
                hint="Give its inputs fixed shapes, and check that it runs on arrays of them.",
            ) from error

    def compute(arrays: Arrays) -> list[np.ndarray]:
        if all(each.shape[0] is None for each in computing.inputs):
            return call(arrays)
        rows = [call([array[row : row + 1] for array in arrays]) for row in range(len(arrays[0]))]
        return [np.concatenate(column) for column in zip(*rows, strict=True)]

    return compute


def file_function(path: Path, *, as_written: bool = False) -> Callable[[Arrays], list[np.ndarray]]:
    """A model file as a function of N samples an input, an ONNX file `as_written` without ONNX Runtime's optimizers."""

    def compute(arrays: Arrays) -> list[np.ndarray]:
        with RuntimeProcess(path, as_written=as_written) as process:
            return run_samples(process, arrays)

    return compute


class TooFar(Exception):
    """An output of a file is beyond its bounds; says which, and by how much."""


@dataclass(frozen=True)
class Compared:
    """What a file takes and gives, how far it is from its source, and what is worth a warning."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    agreement: tuple[Agreement, ...]
    warnings: tuple[str, ...]


def compare(path: Path, reference: Reference, *, precision: str, steps: Sequence[float] = ()) -> Compared:
    """Run a file on the probes of its source.

    Args:
        path: the file.
        reference: its source.
        precision: what its numbers are stored in, a key of `BOUNDS`.
        steps: the unit of each output in real numbers, 0 for a float one.

    Raises:
        TooFar: an output is beyond its bounds; it is named.
        ConversionError: the source computes no finite numbers.
        RuntimeRefusal: the runtime refuses the file, or crashes on it.
    """
    with RuntimeProcess(path) as process:
        inputs, outputs, _ = process.describe()
        found = run_samples(process, reference.probes.arrays)
    if len(found) != len(reference.outputs):
        raise TooFar(f"it has {len(found)} outputs, and '{reference.name}' has {len(reference.outputs)}")
    agreements, warnings = [], []
    bounds = BOUNDS[precision]
    for place, (spec, expected, values) in enumerate(zip(outputs, reference.outputs, found, strict=True)):
        differences = Differences(spec.name, expected, values)
        step = steps[place] if steps else 0.0
        if not _holds(differences, precision, bounds.floor_db, step, reference, place):
            raise TooFar(_too_far(differences, reference, precision))
        agreements.append(differences.agreement(precision, reference.probes.kind))
        said = (
            f"Output '{spec.name}' has {agreements[-1].signal_to_noise_db:g} dB of signal to noise on "
            f"{agreements[-1].samples} samples of {reference.probes.kind}"
        )
        if not _holds(differences, precision, bounds.ordinary_db, step, reference, place):
            warnings.append(f"{said}; {bounds.ordinary_db:g} are ordinary. Verify its accuracy.")
        elif not differences.holds(precision, min(bounds.ordinary_db, STABLE_DB), step=step):
            warnings.append(
                f"{said}: '{reference.name}' amplifies rounding that much. Expect such differences on any processor."
            )
    return Compared(inputs, outputs, tuple(agreements), tuple(warnings))


def _holds(
    differences: Differences, precision: str, decibels: float, step: float, reference: Reference, place: int
) -> bool:
    """The source's response to a change of its inputs is computed only where it matters."""
    return differences.holds(precision, decibels, step=step) or differences.holds(
        precision, decibels, step=step, response=reference.responses[place]
    )


def _too_far(differences: Differences, reference: Reference, precision: str) -> str:
    if differences.expected.shape != differences.found.shape:
        return (
            f"output '{differences.output}' has the shape {differences.found.shape[1:]}, "
            f"in '{reference.name}' {differences.expected.shape[1:]}"
        )
    if not differences.same_form:
        return f"output '{differences.output}' is not finite where that of '{reference.name}' is"
    floor = BOUNDS[precision].integers_db if differences.is_integer else BOUNDS[precision].floor_db
    return (
        f"output '{differences.output}' is up to {differences.largest():.3g} from that of '{reference.name}', "
        f"{differences.decibels(median=precision == 'binary'):.1f} dB of signal to noise where {floor:g} are asked for"
    )


def output_steps(graph: Graph) -> list[float]:
    """Return the unit of each output of a TFLite file, also of one behind a final DEQUANTIZE; 0 for a float one."""
    steps = []
    for index in graph.outputs:
        producer = graph.producers.get(index)
        if producer is not None and producer.kind == "DEQUANTIZE":
            index = producer.inputs[0]
        quant = graph.tensors[index].quant
        steps.append(quant.scales[0] if quant and len(quant.scales) == 1 else 0.0)
    return steps
