"""Frozen values that travel between packages, and nothing that computes on arrays.

They hold plain numbers, strings and tuples, so that each can be written to JSON and read back by
`edgecompress.storage`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class QuantScheme:
    """Affine quantization `real = scale * (stored - zero_point)`, per tensor or per channel of `axis`."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int | None = None  # None: one scale for the whole tensor


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape (-1 where free), NumPy dtype name and quantization of one input or output."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    quant: QuantScheme | None = None


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the model's input: resize as `fit` says, convert channels, then `pixel * scale + offset`.

    Pixels are 0..255; `scale` and `offset` have one entry, or one a channel. The layout is NHWC, the
    channel order RGB (or gray where `channels` is 1), the filter the one that Pillow calls by the name `resize`.
    """

    height: int
    width: int
    channels: int
    scale: tuple[float, ...] = (1 / 127.5,)
    offset: tuple[float, ...] = (-1.0,)
    resize: str = "bilinear"
    fit: str = "stretch"  # or "crop", the middle of it; or "letterbox", all of it with black beside
    layout: str = "NHWC"
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arrays:
    """The inputs of a model that takes arrays as a data set holds them, one an input; first axes are the batch."""

    inputs: tuple[TensorSpec, ...]


Intake = Preprocessing | Arrays  # how a model takes what a data set holds


@dataclass(frozen=True)
class Agreement:
    """How far an output of an emitted file is from that of the model it was made from, on the same inputs."""

    output: str
    signal_to_noise_db: float  # variance of the model's output over the mean square of the differences
    largest_difference: float
    samples: int
    inputs: str  # "calibration" samples, or "noise" in the range of the inputs


@dataclass(frozen=True)
class DataRecord:
    """Which images a run was trained on: where they were found, and the hash of all pixels and labels."""

    name: str
    source: str
    sha256: str
    train_images: int
    test_images: int
    notes: tuple[str, ...] = ()  # what was left out, and why


@dataclass(frozen=True)
class Artifact:
    """An emitted file: what it is, what it expects and gives, and where it came from."""

    path: str  # relative to the run folder, or as given
    target: str  # such as "tflite:int8"
    variant: str  # which model of a run: "dense", "compressed"; "model" for a lone file
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    size_bytes: int
    sha256: str
    preprocessing: Preprocessing | None = None
    origin: str = ""  # the model file or run that it was made from, with its hash
    float_layers: tuple[LayerNote, ...] = ()  # what stayed float in a quantized file, and why
    agreement: tuple[Agreement, ...] = ()  # with the model, output by output
    warnings: tuple[str, ...] = ()  # what is worth knowing before the file is used
    assumptions: tuple[str, ...] = ()  # what nobody said of the model, and was taken to hold


@dataclass(frozen=True)
class LayerNote:
    """What a step did, or did not do, to one layer, and why."""

    layer: str
    # "pruned", "rescaled", "clustered", "vector-quantized", "quantized", "binarized", "skipped",
    # "kept float"; of loading: "unwrapped", "made float32", "left out"
    action: str
    reason: str = ""
    figures: dict[str, float] = field(default_factory=dict)  # such as {"sparsity": 0.8}


@dataclass(frozen=True)
class Summary:
    """Quantiles of a typical process's samples in nanoseconds, with Student's interval of the median over processes."""

    count: int
    p5_ns: float
    p50_ns: float
    p90_ns: float
    p99_ns: float
    mean_ns: float
    p50_low_ns: float | None  # 95 % interval; None for one process, which tells nothing about the next one
    p50_high_ns: float | None


@dataclass(frozen=True)
class OperatorTime:
    """Time that one operator takes of an inference: the median, or the mean where a tool tells no other."""

    name: str  # of the layer, or why there is none
    kind: str
    time_ns: float
    calls_per_inference: float


@dataclass(frozen=True)
class Measurement:
    """What a clock on a named device said about one artifact, with the conditions it was taken in."""

    artifact: str
    sha256: str
    device: str
    runner: str  # what held the model: "native", "python" or "benchmark_model"
    runtime: str  # name and version
    threads: int
    processes: int
    load_ns: tuple[int, ...]  # reading the file, one a process
    compile_ns: tuple[int, ...]  # making it ready to run, one a process; 0 where the runner cannot tell it from loading
    first_ns: tuple[int, ...]  # first inference, one a process
    samples_ns: tuple[tuple[int, ...], ...]  # steady state, one series a process
    steady: Summary
    cpu_ns: float  # processor time of an inference, all threads together, on average
    peak_memory_bytes: int
    model_memory_bytes: int  # growth of resident memory from before the load to after the first inference
    output_hash: str  # FNV-1a of the outputs on the seeded inputs; empty where the runner does not tell
    operators: tuple[OperatorTime, ...]
    conditions: dict[str, Any]
    invalid: str = ""  # why these samples must not be believed; empty if nothing speaks against them


@dataclass(frozen=True)
class InstructionCount:
    """How many instructions an inference takes on an emulated processor: no time, and free of noise."""

    artifact: str
    sha256: str
    device: str
    runtime: str
    threads: int
    counts: tuple[tuple[int, ...], ...]  # one a process, one an inference
    instructions: int  # their median
    output_hash: str
    conditions: dict[str, Any]


@dataclass(frozen=True)
class Window:
    """A stretch of a sustained measurement, with what the device said of itself at its end."""

    start_s: float
    count: int
    p50_ns: float
    p90_ns: float
    clock_mhz: float | None
    temperature_c: float | None


@dataclass(frozen=True)
class Sustained:
    """Speed against time and temperature, over minutes of one inference after another."""

    artifact: str
    sha256: str
    device: str
    runtime: str
    threads: int
    seconds: float  # how long it ran
    windows: tuple[Window, ...]
    conditions: dict[str, Any]


@dataclass(frozen=True)
class Span:
    """Something that took time on a device; nanoseconds of the host's clock since the measurement began."""

    lane: str  # "processes", "warm-up", "samples" or "operators", with the artifact
    name: str
    start_ns: int
    duration_ns: int
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Gauge:
    """A clock in MHz or a temperature in degrees Celsius, as a device told it at one moment."""

    name: str
    at_ns: int
    value: float


@dataclass(frozen=True)
class Timeline:
    """What happened on one device while it was measured."""

    device: str
    spans: tuple[Span, ...]
    gauges: tuple[Gauge, ...]


@dataclass(frozen=True)
class Failure:
    """Why there is nothing from a device, or of one file on it."""

    device: str
    message: str
    hint: str
    artifact: str = ""
