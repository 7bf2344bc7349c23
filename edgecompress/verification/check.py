"""Every file of a run on the test split: against the labels, the Keras model, its twin in the other format, itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgecompress.data.preprocessing import scale_pixels
from edgecompress.data.rows import Images
from edgecompress.errors import RuntimeRefusal, UnsupportedModelError
from edgecompress.numerics.affine import dequantize
from edgecompress.numerics.paired import PairedDrop, paired_drop
from edgecompress.progress import Progress, silent
from edgecompress.runtimes.engines.session import DEFAULT_KERNELS, OUR_KERNELS, has_binary_operators
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.values import Artifact, Preprocessing
from edgecompress.verification.accuracy import Accuracy, accuracy_of, packed_flags, right_flags
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
    keras_agreement: float  # percent of images with the same argmax
    largest_difference: float
    mean_difference: float
    runtime: str = ""  # name and version, and which code of ours computed in it
    sha256: str = ""  # of the file that all this is true of
    right: str = ""  # `packed_flags` of the images that it has right, in the order of the verification
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
    keras_right: dict[str, str] = field(default_factory=dict)  # `packed_flags`, by variant
    keras_sha256: dict[str, str] = field(default_factory=dict)  # of the model files, by variant

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
class _Images:
    """The test split as all files get it."""

    pixels: Images
    preprocessing: Preprocessing
    on_progress: Progress


def verify(
    artifacts: list[Artifact],
    *,
    folder: Path,
    pixels: Images,
    labels: np.ndarray,
    preprocessing: Preprocessing,
    keras_scores: dict[str, np.ndarray],
    data: str,
    kernels: Sequence[str] = (DEFAULT_KERNELS,),
    on_progress: Progress = silent,
) -> Verification:
    """Run every artifact on `pixels` (uint8, N x H x W x C) and compare with labels and Keras's scores (N x classes).

    `keras_scores` has an entry a variant, and "<variant>.qat" where there is a model with fake quantization, which is
    then what the int8 files are compared with. TFLite files are also run by each of `kernels`, LiteRT's families, and
    compared with themselves and their ONNX twins.
    """
    images = _Images(pixels, preprocessing, on_progress)
    scores, runtimes = {}, {}
    for artifact in artifacts:
        what = f"{artifact.variant} {artifact.target}"
        scores[artifact.path], runtimes[artifact.path] = _scores(folder / artifact.path, what, images)
    by_family, notes = _by_families(artifacts, kernels, folder, images)
    return Verification(
        data,
        {name: accuracy_of(right_flags(reference, labels)) for name, reference in keras_scores.items()},
        tuple(
            _check(artifact, scores[artifact.path], runtimes[artifact.path], keras_scores, labels)
            for artifact in artifacts
        ),
        (
            *_parities(artifacts, folder, scores, by_family),
            *_parities_without_kernels(artifacts, folder, scores, images),
        ),
        tuple(
            _kernel_check(path, family, found, scores[path], labels, output_step(folder / path))
            for (path, family), found in by_family.items()
        ),
        notes,
        {name: packed_flags(right_flags(reference, labels)) for name, reference in keras_scores.items()},
    )


def _check(
    artifact: Artifact,
    found: np.ndarray,
    runtime: str,
    keras_scores: dict[str, np.ndarray],
    labels: np.ndarray,
) -> ArtifactCheck:
    twin = f"{artifact.variant}.qat"
    own = twin if artifact.target.endswith(":int8") and twin in keras_scores else artifact.variant
    reference, right = keras_scores[own], right_flags(found, labels)
    dense = right_flags(keras_scores.get(DENSE, keras_scores[artifact.variant]), labels)
    agreement, paired = compare(reference, found, 0.0), paired_drop(dense, right)
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
        packed_flags(right),
        paired,
        agreement.garbage,
    )


def _kernel_check(
    path: str, family: str, found: np.ndarray, usual: np.ndarray, labels: np.ndarray, step: float
) -> KernelCheck:
    right = right_flags(found, labels)
    return KernelCheck(
        **vars(compare(usual, found, step)),
        artifact=path,
        kernels=family,
        accuracy=accuracy_of(right),
        drop=paired_drop(right_flags(usual, labels), right),
    )


def _scores(
    path: Path, what: str, images: _Images, *, plain: bool = False, kernels: str = DEFAULT_KERNELS
) -> tuple[np.ndarray, str]:
    count = len(images.pixels)
    with RuntimeProcess(path, plain=plain, kernels=kernels) as process:
        _, outputs, runtime = process.describe()
        parts = []
        for start in range(0, count, CHUNK):  # as floats, all of them might not fit into memory
            images.on_progress(f"verifying {what}", start, count)
            parts.append(process.run_batch(scale_pixels(images.pixels[start : start + CHUNK], images.preprocessing)))
        images.on_progress(f"verifying {what}", count, count)
    return dequantize(np.concatenate(parts), outputs[0]).reshape(count, -1), runtime


def _by_families(
    artifacts: list[Artifact], kernels: Sequence[str], folder: Path, images: _Images
) -> tuple[dict[tuple[str, str], np.ndarray], tuple[str, ...]]:
    """The scores of TFLite files by each family but the usual one; a family that refuses a file leaves a note."""
    found, notes = {}, []
    for artifact in (each for each in artifacts if each.target.startswith("tflite:")):
        for family in (each for each in kernels if each != DEFAULT_KERNELS):
            what = f"{artifact.variant} {artifact.target} by {family}"
            try:
                found[artifact.path, family], _ = _scores(folder / artifact.path, what, images, kernels=family)
            except (RuntimeRefusal, UnsupportedModelError) as error:
                notes.append(f"{artifact.path} was not run by {family}: {error.message}")
    return found, tuple(notes)


def _parities(
    artifacts: list[Artifact],
    folder: Path,
    scores: dict[str, np.ndarray],
    by_family: dict[tuple[str, str], np.ndarray],
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
            agreement = compare(expected, scores[onnx.path], output_step(path))
            found.append(Parity(**vars(agreement), variant=variant, precision=precision, kernels=family))
    return found


def _parities_without_kernels(
    artifacts: list[Artifact], folder: Path, scores: dict[str, np.ndarray], images: _Images
) -> list[Parity]:
    """A binary ONNX file computes in two ways: both must give what the TFLite file gives."""
    found = []
    for artifact in (artifact for artifact in artifacts if artifact.target == "onnx:binary"):
        variant, twin = artifact.variant, artifact.path.removesuffix(".onnx") + ".tflite"
        if twin in scores:
            what = f"{variant} {artifact.target} without kernels"
            plain, _ = _scores(folder / artifact.path, what, images, plain=True)
            agreement = compare(scores[twin], plain, output_step(folder / twin))
            precision = "binary without kernels"
            found.append(Parity(**vars(agreement), variant=variant, precision=precision, kernels=OUR_KERNELS))
    return found
