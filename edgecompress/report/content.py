"""What a report says, as values: `report.json` is a `Content`, and the pages are other views of it.

Keys are stable: a new one may come, none is renamed. What was not verified or not measured is None or empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edgecompress.formats.sizes import Sizes
from edgecompress.numerics.paired import PairedDrop
from edgecompress.values import InstructionCount, LayerNote, OperatorTime, Sustained
from edgecompress.verification import Accuracy, Verification


@dataclass(frozen=True)
class Setting:
    """Where and how files were measured against one another."""

    device: str
    threads: int

    def __str__(self) -> str:
        """Return it as a heading says it."""
        return f"{self.device}, {self.threads} thread{'s' if self.threads != 1 else ''}"


@dataclass(frozen=True)
class Interval:
    """A figure, and between which bounds it is known; of what was timed, also each process's own."""

    value: float
    low: float | None  # None: one process was measured, which tells nothing about the next one
    high: float | None
    processes: tuple[float, ...] = ()  # in the order of the rounds, in which files were measured by turns
    session: str = ""  # which rounds these were; empty where the figure must not be compared

    @property
    def ends(self) -> tuple[float, float]:
        """Return the bounds, or the figure itself where none are known."""
        return (self.value, self.value) if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True)
class Timing:
    """What the clock said about one file in one setting; times in milliseconds."""

    setting: Setting
    runtime: str
    processes: int
    p50_ms: Interval  # 95 %, Student's over processes
    p5_ms: float
    p90_ms: float
    p99_ms: float
    load_ms: Interval | None  # median, fastest and slowest process
    first_ms: Interval | None  # likewise, of the first inference
    model_memory_bytes: int
    precise: bool  # whether the median is as well known as was asked for
    invalid: str = ""  # why it must not be believed, or nothing
    remarks: tuple[str, ...] = ()  # on what was unusual about the conditions


@dataclass(frozen=True)
class Row:
    """One artifact."""

    artifact: str  # path in the run folder
    variant: str
    target: str
    sizes: Sizes
    accuracy: Accuracy | None = None
    drop: float | None = None  # percentage points below the dense Keras model
    keras_agreement: float | None = None  # percent of images with the argmax of the Keras model
    timings: tuple[Timing, ...] = ()  # in the order of the content's settings
    pareto: bool = False
    marks: dict[str, str] = field(default_factory=dict)  # column to "best", or to "cannot tell" from the best
    paired: PairedDrop | None = None  # the drop with its interval, on the same images
    right: str = ""  # which images it has right, as `verification.packed`

    def timing(self, setting: Setting) -> Timing | None:
        """Return what was measured in a setting."""
        return next((timing for timing in self.timings if timing.setting == setting), None)


@dataclass(frozen=True)
class SlowOperators:
    """The operators of a file in which most of its time goes."""

    artifact: str
    setting: Setting
    note: str  # how they were measured, or why not
    total_ns: float
    slowest: tuple[OperatorTime, ...]


@dataclass(frozen=True)
class Epoch:
    """One line of the training history."""

    stage: str
    epoch: int
    loss: float
    accuracy: float
    held_out_accuracy: float
    learning_rate: float


@dataclass(frozen=True)
class Conditions:
    """What held while a setting was measured."""

    setting: Setting
    before: dict[str, Any]
    after: dict[str, Any]
    line: str = ""  # the same in short


@dataclass(frozen=True)
class FloatOperators:
    """Operators of an int8 file that compute in float, and why."""

    artifact: str
    operators: tuple[LayerNote, ...]


@dataclass(frozen=True)
class Notice:
    """Something that is missing, and which command makes it, if one does."""

    text: str
    command: str = ""


@dataclass(frozen=True)
class Content:
    """A whole report."""

    title: str
    words: dict[str, str]  # the recipe in words, by subject
    recipe: str  # TOML
    machine: str
    versions: dict[str, str]
    notices: tuple[Notice, ...]
    settings: tuple[Setting, ...]  # devices as measured, fewest threads first
    rows: tuple[Row, ...]
    pareto_axes: tuple[str, ...]  # what the front is drawn over
    verification: Verification | None
    layers: tuple[LayerNote, ...]
    float_operators: tuple[FloatOperators, ...]
    operators: tuple[SlowOperators, ...]
    history: tuple[Epoch, ...]
    conditions: tuple[Conditions, ...]
    instructions: tuple[InstructionCount, ...] = ()  # of files that are still these
    sustained: tuple[Sustained, ...] = ()  # likewise
    metric: str = "accuracy"  # what is called accuracy in it
