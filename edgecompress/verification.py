"""Whether the files still compute what the model did: accuracy, agreement with Keras, and parity between formats."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecompress.data.preprocessing import scale_pixels
from edgecompress.errors import LimitNotMet
from edgecompress.formats.tflite import read_graph
from edgecompress.numerics.affine import dequantize
from edgecompress.progress import Progress, silent
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.values import Artifact, Preprocessing

CHUNK = 256  # images that are floats at one time
Z_95 = 1.959964  # quantile of the normal distribution for a two-sided interval of 95 %


@dataclass(frozen=True)
class Accuracy:
    """How often a model is right on the test split, with Wilson's 95 % interval, in percent."""

    percent: float
    low: float
    high: float
    samples: int


@dataclass(frozen=True)
class ArtifactCheck:
    """One file against the labels and against the Keras model that it was made from."""

    artifact: str
    variant: str
    target: str
    accuracy: Accuracy
    drop: float  # percentage points below the float Keras model of the dense variant
    keras_agreement: float  # percent of images with the same argmax
    largest_difference: float
    mean_difference: float
    runtime: str = ""  # name and version, and which code of ours computed in it


@dataclass(frozen=True)
class Parity:
    """The TFLite against the ONNX file of one precision; a step is one unit of the quantized output."""

    variant: str
    precision: str  # "binary without kernels": the ONNX file in ONNX Runtime as it is installed
    step: float  # 0: the outputs are not quantized
    largest_difference: float
    largest_steps: float  # 0 where there is no step
    equal_outputs: float  # percent of output elements that are equal
    equal_argmax: float  # percent of images


@dataclass(frozen=True)
class Verification:
    """What `verify` found."""

    data: str
    keras: dict[str, Accuracy]  # by variant; "compressed.qat" is the model with fake quantization
    artifacts: tuple[ArtifactCheck, ...]
    parity: tuple[Parity, ...]


def verify(
    artifacts: list[Artifact],
    *,
    folder: Path,
    pixels: np.ndarray,
    labels: np.ndarray,
    preprocessing: Preprocessing,
    keras_scores: dict[str, np.ndarray],
    data: str,
    on_progress: Progress = silent,
) -> Verification:
    """Run every artifact on `pixels` (uint8, N x H x W x C) and compare with labels and Keras's scores (N x classes).

    `keras_scores` has an entry a variant, and "<variant>.qat" where there is a model with fake quantization, which is
    then what the int8 files are compared with.
    """
    scores, runtimes = {}, {}
    for artifact in artifacts:
        what = f"{artifact.variant} {artifact.target}"
        found, runtime = _scores(folder / artifact.path, what, pixels, preprocessing, on_progress)
        scores[artifact.path], runtimes[artifact.path] = found, runtime
    dense = keras_scores.get("dense", next(iter(keras_scores.values())))
    baseline = accuracy(dense, labels)
    checks = []
    for artifact in artifacts:
        twin = f"{artifact.variant}.qat"
        own = twin if artifact.target.endswith(":int8") and twin in keras_scores else artifact.variant
        found, reference = scores[artifact.path], keras_scores[own]
        right = accuracy(found, labels)
        differences = np.abs(found - reference)
        checks.append(
            ArtifactCheck(
                artifact.path,
                artifact.variant,
                artifact.target,
                right,
                baseline.percent - right.percent,
                _percent(found.argmax(-1) == reference.argmax(-1)),
                float(differences.max()),
                float(differences.mean()),
                runtimes[artifact.path],
            )
        )
    return Verification(
        data,
        {name: accuracy(reference, labels) for name, reference in keras_scores.items()},
        tuple(checks),
        (
            *_parities(artifacts, folder, scores),
            *_parities_without_kernels(artifacts, folder, scores, pixels, preprocessing, on_progress),
        ),
    )


def require_drop(verification: Verification, *, max_drop: float) -> None:
    """Raise `LimitNotMet` if a file is more than `max_drop` percentage points below the dense Keras model."""
    beyond = [check for check in verification.artifacts if check.drop > max_drop]
    if beyond:
        listed = "; ".join(f"{check.artifact}: {check.drop:.2f}" for check in beyond)
        raise LimitNotMet(
            f"The accuracy drop is above {max_drop} percentage points ({listed}).",
            hint="Train the compressed model longer, keep sensitive layers float, or use more calibration images.",
        )


def accuracy(scores: np.ndarray, labels: np.ndarray) -> Accuracy:
    """Return how often the argmax of `scores` (N x classes) is the label, with Wilson's interval."""
    count = len(labels)
    share = float((scores.argmax(-1) == labels).mean())
    centre = (share + Z_95**2 / (2 * count)) / (1 + Z_95**2 / count)
    half = Z_95 / (1 + Z_95**2 / count) * math.sqrt(share * (1 - share) / count + Z_95**2 / (4 * count**2))
    return Accuracy(100 * share, 100 * (centre - half), 100 * (centre + half), count)


def _scores(
    path: Path,
    what: str,
    pixels: np.ndarray,
    preprocessing: Preprocessing,
    on_progress: Progress,
    *,
    plain: bool = False,
) -> tuple[np.ndarray, str]:
    with RuntimeProcess(path, plain=plain) as process:
        _, outputs, runtime = process.describe()
        parts = []
        for start in range(0, len(pixels), CHUNK):  # as floats, all of them might not fit into memory
            on_progress(f"verifying {what}", start, len(pixels))
            parts.append(process.run_batch(scale_pixels(pixels[start : start + CHUNK], preprocessing)))
        on_progress(f"verifying {what}", len(pixels), len(pixels))
    return dequantize(np.concatenate(parts), outputs[0]).reshape(len(pixels), -1), runtime


def _parities(artifacts: list[Artifact], folder: Path, scores: dict[str, np.ndarray]) -> list[Parity]:
    by_target = {(artifact.variant, artifact.target): artifact for artifact in artifacts}
    found = []
    for (variant, target), onnx in by_target.items():
        format_name, precision = target.split(":")
        tflite = by_target.get((variant, f"tflite:{precision}"))
        if format_name != "onnx" or tflite is None:
            continue
        found.append(
            compare(scores[tflite.path], scores[onnx.path], variant, precision, output_step(folder / tflite.path))
        )
    return found


def _parities_without_kernels(
    artifacts: list[Artifact],
    folder: Path,
    scores: dict[str, np.ndarray],
    pixels: np.ndarray,
    preprocessing: Preprocessing,
    on_progress: Progress,
) -> list[Parity]:
    """A binary ONNX file computes in two ways: both must give what the TFLite file gives."""
    found = []
    for artifact in (artifact for artifact in artifacts if artifact.target == "onnx:binary"):
        variant, twin = artifact.variant, artifact.path.removesuffix(".onnx") + ".tflite"
        if twin in scores:
            what = f"{variant} {artifact.target} without kernels"
            plain, _ = _scores(folder / artifact.path, what, pixels, preprocessing, on_progress, plain=True)
            step = output_step(folder / twin)
            found.append(compare(scores[twin], plain, variant, "binary without kernels", step))
    return found


def compare(tflite: np.ndarray, onnx: np.ndarray, variant: str, precision: str, step: float) -> Parity:
    """Return how far the scores of two files are apart; `step` is the scale of a quantized output, or 0."""
    differences = np.abs(tflite.astype(np.float64) - onnx)
    return Parity(
        variant,
        precision,
        step,
        float(differences.max()),
        round(float(differences.max()) / step, 3) if step else 0.0,
        _percent(differences < step / 2 if step else differences == 0),
        _percent(tflite.argmax(-1) == onnx.argmax(-1)),
    )


def output_step(path: Path) -> float:
    """Return the scale of the first output of a TFLite file, looking through a final DEQUANTIZE; 0 if it is float."""
    graph = read_graph(path)
    index = graph.outputs[0]
    producer = graph.producers.get(index)
    if producer is not None and producer.kind == "DEQUANTIZE":
        index = producer.inputs[0]
    quant = graph.tensors[index].quant
    return quant.scales[0] if quant and len(quant.scales) == 1 else 0.0


def _percent(flags: np.ndarray) -> float:
    return 100 * float(np.mean(flags))
