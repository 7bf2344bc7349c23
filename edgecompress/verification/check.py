"""Every file of a run on the test split: against the labels, the Keras model, its twin in the other format, itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from edgecompress.data.intake import model_inputs
from edgecompress.data.rows import Images
from edgecompress.errors import RuntimeRefusal, UnsupportedModelError
from edgecompress.numerics.affine import dequantize
from edgecompress.numerics.paired import PairedDrop, paired_drop
from edgecompress.progress import Progress, silent
from edgecompress.runtimes.engines.session import DEFAULT_KERNELS, OUR_KERNELS, has_binary_operators
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.tasks import Task, decisions, rightness
from edgecompress.tasks.metric import Metric
from edgecompress.values import Artifact, Intake
from edgecompress.verification.accuracy import Accuracy, accuracy_of, packed
from edgecompress.verification.comparing import Compared, compare, output_step

DENSE = "dense"  # the variant of a run that was not compressed
CHUNK = 256  # images that are floats at one time


@dataclass(frozen=True)
class ArtifactCheck:
    """One file against the labels and against the Keras model that it was made from."""

    artifact: str
    variant: str
    target: str
    accuracy: Accuracy
    drop: float  # percentage points below the float Keras model of the dense variant, or of its own where there is none
    keras_agreement: float | None  # percent of images with the same decision; None where outputs are numbers
    largest_difference: float
    mean_difference: float
    runtime: str = ""  # name and version, and which code of ours computed in it
    sha256: str = ""  # of the file that all this is true of
    right: str = ""  # `packed`: how right each image is, in the order of the verification
    paired: PairedDrop | None = None  # the drop on the same images
    garbage: str = ""  # why it plainly computes something else than the Keras model; empty if it does not


@dataclass(frozen=True, kw_only=True)
class Parity(Compared):
    """The ONNX against the TFLite file of one precision."""

    variant: str
    precision: str  # "binary without kernels": the ONNX file in ONNX Runtime as it is installed
    kernels: str = DEFAULT_KERNELS  # which of LiteRT's families computed the TFLite file

    @property
    def title(self) -> str:
        """What was compared."""
        return f"{self.variant} {self.precision}, ONNX against TFLite by {self.kernels}"


@dataclass(frozen=True, kw_only=True)
class KernelCheck(Compared):
    """A TFLite file with another family of LiteRT's kernels, against the same file with those that it takes itself."""

    artifact: str
    kernels: str
    accuracy: Accuracy
    drop: PairedDrop  # below the accuracy with the usual family

    @property
    def title(self) -> str:
        """What was compared."""
        return f"{self.artifact} by {self.kernels} against {DEFAULT_KERNELS}"


@dataclass(frozen=True)
class Verification:
    """What `verify` found."""

    data: str
    keras: dict[str, Accuracy]  # by variant; "compressed.qat" is the model with fake quantization
    artifacts: tuple[ArtifactCheck, ...]
    parity: tuple[Parity, ...]
    kernels: tuple[KernelCheck, ...] = ()
    notes: tuple[str, ...] = ()  # what was asked for and could not be computed, in sentences
    keras_right: dict[str, str] = field(default_factory=dict)  # `packed`, by variant
    keras_sha256: dict[str, str] = field(default_factory=dict)  # of the model files, by variant
    metric: str = "accuracy"  # what is called accuracy here

    def dense(self) -> Accuracy | None:
        """Return the accuracy of the dense Keras model, or of the only one; None where there are several."""
        floats = [name for name in self.keras if not name.endswith(".qat")]
        return self.keras.get(DENSE, self.keras[floats[0]] if len(floats) == 1 else None)

    def faults(self) -> list[str]:
        """Return what is plainly wrong, in sentences."""
        checks = [
            f"{check.artifact} computes something else than its Keras model: {check.garbage}."
            for check in self.artifacts
            if check.garbage
        ]
        pairs: tuple[Compared, ...] = (*self.parity, *self.kernels)
        return checks + [f"{each.title}: garbage, {each.garbage}." for each in pairs if each.garbage]


@dataclass(frozen=True, eq=False)
class _Test:
    """The test split as all files get it, and what is asked of them."""

    samples: Images
    labels: np.ndarray
    intake: Intake
    task: Task
    metric: Metric | None
    on_progress: Progress

    def right(self, scores: np.ndarray) -> np.ndarray:
        """How right each sample is."""
        return self.metric(scores, self.labels) if self.metric else rightness(self.task, scores, self.labels)

    def drop(self, first: np.ndarray, second: np.ndarray) -> PairedDrop:
        """How much less right the second is, on the same samples; of groups of them it is not known how many tell."""
        found = paired_drop(first, second)
        return found if len(first) == len(self.labels) else replace(found, images=0)

    def compare(self, expected: np.ndarray, found: np.ndarray, step: float) -> Compared:
        """Compare outputs, and what they decide."""
        return compare(expected, found, step, partial(decisions, self.task))


def verify(
    artifacts: list[Artifact],
    *,
    folder: Path,
    samples: Images,
    labels: np.ndarray,
    intake: Intake,
    task: Task,
    keras_scores: dict[str, np.ndarray],
    data: str,
    kernels: Sequence[str] = (DEFAULT_KERNELS,),
    metric: Metric | None = None,
    on_progress: Progress = silent,
) -> Verification:
    """Run every artifact on fitted samples, and compare with labels and Keras's outputs (N, ...), called scores here.

    `keras_scores` has an entry a variant, and "<variant>.qat" where there is a model with fake quantization, which is
    then what the int8 files are compared with. TFLite files are also run by each of `kernels`, LiteRT's families, and
    compared with themselves and their ONNX twins. How right outputs are says `metric`, if there is one.
    """
    test = _Test(samples, labels, intake, task, metric, on_progress)
    scores, runtimes = {}, {}
    for artifact in artifacts:
        what = f"{artifact.variant} {artifact.target}"
        scores[artifact.path], runtimes[artifact.path] = _scores(folder / artifact.path, what, test)
    by_family, notes = _by_families(artifacts, kernels, folder, test)
    return Verification(
        data,
        {name: accuracy_of(test.right(reference)) for name, reference in keras_scores.items()},
        tuple(
            _check(artifact, scores[artifact.path], runtimes[artifact.path], keras_scores, test)
            for artifact in artifacts
        ),
        (
            *_parities(artifacts, folder, scores, by_family, test),
            *_parities_without_kernels(artifacts, folder, scores, test),
        ),
        tuple(
            _kernel_check(path, family, found, scores[path], test, output_step(folder / path))
            for (path, family), found in by_family.items()
        ),
        notes,
        {name: packed(test.right(reference)) for name, reference in keras_scores.items()},
        metric=metric.name if metric else task.kind.value,
    )


def _check(
    artifact: Artifact,
    found: np.ndarray,
    runtime: str,
    keras_scores: dict[str, np.ndarray],
    test: _Test,
) -> ArtifactCheck:
    twin = f"{artifact.variant}.qat"
    own = twin if artifact.target.endswith(":int8") and twin in keras_scores else artifact.variant
    reference, right = keras_scores[own], test.right(found)
    dense = test.right(keras_scores.get(DENSE, keras_scores[artifact.variant]))
    agreement, paired = test.compare(reference, found, 0.0), test.drop(dense, right)
    return ArtifactCheck(
        artifact.path,
        artifact.variant,
        artifact.target,
        accuracy_of(right),
        paired.points,
        agreement.equal_argmax,
        agreement.largest_difference,
        float(np.abs(found - reference).mean()),
        runtime,
        artifact.sha256,
        packed(right),
        paired,
        agreement.garbage,
    )


def _kernel_check(
    path: str, family: str, found: np.ndarray, usual: np.ndarray, test: _Test, step: float
) -> KernelCheck:
    right = test.right(found)
    return KernelCheck(
        **vars(test.compare(usual, found, step)),
        artifact=path,
        kernels=family,
        accuracy=accuracy_of(right),
        drop=test.drop(test.right(usual), right),
    )


def _scores(
    path: Path, what: str, test: _Test, *, plain: bool = False, kernels: str = DEFAULT_KERNELS
) -> tuple[np.ndarray, str]:
    count = len(test.samples)
    with RuntimeProcess(path, plain=plain, kernels=kernels) as process:
        _, outputs, runtime = process.describe()
        parts = []
        for start in range(0, count, CHUNK):  # as floats, all of them might not fit into memory
            test.on_progress(f"verifying {what}", start, count)
            parts.append(process.run_batch(*model_inputs(test.samples[start : start + CHUNK], test.intake)))
        test.on_progress(f"verifying {what}", count, count)
    return dequantize(np.concatenate(parts), outputs[0]), runtime


def _by_families(
    artifacts: list[Artifact], kernels: Sequence[str], folder: Path, test: _Test
) -> tuple[dict[tuple[str, str], np.ndarray], tuple[str, ...]]:
    """The scores of TFLite files by each family but the usual one; a family that refuses a file leaves a note."""
    found, notes = {}, []
    for artifact in (each for each in artifacts if each.target.startswith("tflite:")):
        for family in (each for each in kernels if each != DEFAULT_KERNELS):
            what = f"{artifact.variant} {artifact.target} by {family}"
            try:
                found[artifact.path, family], _ = _scores(folder / artifact.path, what, test, kernels=family)
            except (RuntimeRefusal, UnsupportedModelError) as error:
                notes.append(f"{artifact.path} was not run by {family}: {error.message}")
    return found, tuple(notes)


def _parities(
    artifacts: list[Artifact],
    folder: Path,
    scores: dict[str, np.ndarray],
    by_family: dict[tuple[str, str], np.ndarray],
    test: _Test,
) -> list[Parity]:
    by_target = {(artifact.variant, artifact.target): artifact for artifact in artifacts}
    found = []
    for (variant, target), onnx in by_target.items():
        format_name, precision = target.split(":")
        tflite = by_target.get((variant, f"tflite:{precision}"))
        if format_name != "onnx" or tflite is None:
            continue
        path = folder / tflite.path
        usual = OUR_KERNELS if has_binary_operators(path) else DEFAULT_KERNELS
        families = {usual: scores[tflite.path]}
        families |= {family: each for (which, family), each in by_family.items() if which == tflite.path}
        for family, expected in families.items():
            agreement = test.compare(expected, scores[onnx.path], output_step(path))
            found.append(Parity(**vars(agreement), variant=variant, precision=precision, kernels=family))
    return found


def _parities_without_kernels(
    artifacts: list[Artifact], folder: Path, scores: dict[str, np.ndarray], test: _Test
) -> list[Parity]:
    """A binary ONNX file computes in two ways: both must give what the TFLite file gives."""
    found = []
    for artifact in (artifact for artifact in artifacts if artifact.target == "onnx:binary"):
        variant, twin = artifact.variant, artifact.path.removesuffix(".onnx") + ".tflite"
        if twin in scores:
            what = f"{variant} {artifact.target} without kernels"
            plain, _ = _scores(folder / artifact.path, what, test, plain=True)
            agreement = test.compare(scores[twin], plain, output_step(folder / twin))
            precision = "binary without kernels"
            found.append(Parity(**vars(agreement), variant=variant, precision=precision, kernels=OUR_KERNELS))
    return found
