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
    """How an image becomes the model's input: resize, convert channels, then `pixel * scale + offset`.

    Pixels are 0..255; `scale` and `offset` have one entry, or one a channel. The layout is NHWC, the
    channel order RGB (or gray where `channels` is 1), the filter the one that Pillow calls by the name `resize`.
    """

    height: int
    width: int
    channels: int
    scale: tuple[float, ...] = (1 / 127.5,)
    offset: tuple[float, ...] = (-1.0,)
    resize: str = "bilinear"
    layout: str = "NHWC"
    labels: tuple[str, ...] = ()


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


@dataclass(frozen=True)
class LayerNote:
    """What a step did, or did not do, to one layer, and why."""

    layer: str
    action: str  # "pruned", "clustered", "quantized", "skipped", "kept float"
    reason: str = ""
    figures: dict[str, float] = field(default_factory=dict)  # such as {"sparsity": 0.8}


@dataclass(frozen=True)
class Summary:
    """Quantiles of a series of samples in nanoseconds, with a bootstrap interval of the median."""

    count: int
    p5_ns: float
    p50_ns: float
    p90_ns: float
    p99_ns: float
    mean_ns: float
    p50_low_ns: float  # 95 % bootstrap interval over processes
    p50_high_ns: float


@dataclass(frozen=True)
class OperatorTime:
    """Time in one operator, averaged over the profiled inferences."""

    name: str
    kind: str
    mean_ns: float
    calls_per_inference: float


@dataclass(frozen=True)
class Measurement:
    """What a clock on a named device said about one artifact, with the conditions it was taken in."""

    artifact: str
    sha256: str
    device: str
    runtime: str  # name and version
    threads: int
    processes: int
    load_ns: tuple[int, ...]  # one a process
    first_ns: tuple[int, ...]  # first inference, one a process
    samples_ns: tuple[tuple[int, ...], ...]  # steady state, one series a process
    steady: Summary
    peak_memory_bytes: int
    model_memory_bytes: int  # growth of resident memory from before the load to after the first inference
    operators: tuple[OperatorTime, ...]
    conditions: dict[str, Any]
