"""A model held by a runner on a device: requests to it and its answers, each checked before it is believed."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, TypeVar

from annotated_types import Len
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from edgecompress.devices.wire.client import GRACE_S, last_line
from edgecompress.devices.wire.limits import KILL_AFTER_S
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError, RuntimeRefusal
from edgecompress.formats.tflite.graph import Graph
from edgecompress.profiling.operators.names import UNKNOWN, Event, layer_names
from edgecompress.profiling.operators.onnx_trace import parse_trace
from edgecompress.profiling.operators.times import median_ns
from edgecompress.values import OperatorTime

OPEN_TIMEOUT_S = 600.0  # to load a model and run it once, on the slowest device
PATIENCE_S = 30.0  # beyond what the first inference lets expect
SLOWER = 3  # than the first inference at most
MAX_OPERATORS = 100_000
KILLED = 128 + signal.SIGKILL

Answer = TypeVar("Answer")


# What a figure can be, whoever tells it: a day in nanoseconds, a tebibyte.
Time = Annotated[int, Field(ge=0, le=86_400 * 10**9)]
Clock = Annotated[int, Field(ge=0, le=2**63)]
Bytes = Annotated[int, Field(ge=0, le=2**40)]
Word = Annotated[str, Field(max_length=64, pattern=r"^[\w.+-]*$")]


@dataclass(frozen=True)
class RunnerTensor:
    """An input or output, as the runner describes it."""

    name: str
    dtype: Word
    shape: tuple[Annotated[int, Field(ge=0, le=2**32)], ...]


@dataclass(frozen=True)
class Opened:
    """What the runner says once the model is loaded and has run for the first time."""

    version: Word
    library_ns: Time
    load_ns: Time
    compile_ns: Time
    first_ns: Time
    model_memory_bytes: Annotated[int, Field(ge=-(2**40), le=2**40)]
    cores: Annotated[int, Field(ge=0, le=2**64)]  # mask of the cores that it may run on
    output_hash: Word
    inputs: tuple[RunnerTensor, ...]
    outputs: tuple[RunnerTensor, ...]
    kernels: Word = ""  # which of our kernels compute, where the model has binary layers
    interpreter: Annotated[str, Field(max_length=200)] = ""  # why the runtime's interpreter runs the model, if it does
    waited_ns: Time | None = None  # for a core, of all threads together; None where the device does not tell


@dataclass(frozen=True)
class Block:
    """Inferences that were timed one after another."""

    start_ns: Clock  # of the device's own
    cpu_ns: Time
    core: Annotated[int, Field(ge=0, le=4096)]  # where it ran at the end
    clock_khz: Annotated[int, Field(ge=0, le=10**8)]  # of that core, right after; 0 where the device does not tell
    cores: Annotated[int, Field(ge=0, le=2**64)]  # mask of the cores that it might run on
    inferences: Annotated[int, Field(ge=1, le=10**9)]
    samples_ns: tuple[Time, ...]  # of each inference, or of some of them, evenly over the block
    # What the device tells of others' work meanwhile; None where it does not.
    waited_ns: Time | None = None  # for a core, of all threads together
    preempted: Annotated[int, Field(ge=0, le=2**40)] | None = None  # times that a thread had to leave its core
    busy_ns: Time | None = None  # of all cores that it might run on, for whomever, in ticks of about 10 ms
    stolen_ns: Time | None = None  # of these cores, by a hypervisor

    @cached_property
    def wall_ns(self) -> int:
        """How long it took."""
        return sum(self.samples_ns)


@dataclass(frozen=True)
class Report:
    """The runner's figures about its whole life."""

    peak_memory_bytes: Bytes
    cpu_ns: Time


@dataclass(frozen=True)
class _Operator:
    name: str
    kind: str
    node: Annotated[int, Field(ge=-1, le=MAX_OPERATORS)]  # -1: one of XNNPACK's own
    elapsed_us: tuple[Annotated[int, Field(ge=0, le=86_400 * 10**6)], ...]  # of each inference


class _Plausible(BaseModel):
    """What an operator's time must be, whoever tells it."""

    name: str
    kind: str
    time_ns: Annotated[float, Field(ge=0, le=1e14)]


@dataclass(frozen=True)
class _Batch:
    records: Annotated[int, Field(ge=0)]
    outputs: tuple[RunnerTensor, ...]


class RunnerSession:
    """A runner that has loaded a model; use it in a `with` statement, which ends it on the device.

    Between requests the process that holds the model is stopped, so that sessions on one device do not disturb each
    other. Raises RuntimeRefusal if the runtime refuses the model or crashes on it, DeviceError if the device or the
    runner fails, and never believes a figure that cannot be.
    """

    def __init__(self, transport: Transport, words: Sequence[str], *, model: str, limit_s: float) -> None:
        self._device, self._model = str(transport.address), model
        self._offset_ns: int | None = None
        self.started_ns = time.monotonic_ns()
        self._conversation = transport.converse([*words, "--limit", str(round(limit_s))], timeout_s=limit_s + GRACE_S)
        try:
            self.opened = self._receive(Opened, min(OPEN_TIMEOUT_S, limit_s + 2 * GRACE_S))
        except BaseException:
            self.close()
            raise
        self.opened_ns = time.monotonic_ns()

    def __enter__(self) -> RunnerSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the runner: it leaves when its input closes."""
        self._conversation.finish(timeout_s=KILL_AFTER_S + 1)

    def time_block(self, *, runs: int = 1, seconds: float = 0.0, kept: int = 0) -> Block:
        """Time inferences, at least `runs` and for `seconds`; of more than `kept`, unless that is 0, get as many."""
        block = self._ask(f"time {runs} {seconds:.6f} {kept}", Block, seconds + self._patience_s(runs))
        told = len(block.samples_ns)
        if not told or min(block.samples_ns) <= 0 or (told > kept if kept else told != block.inferences):
            raise DeviceError(f"The runner on {self._device} answered with times that cannot be.")
        return block

    def operator_times(self, *, runs: int, graph: Graph | None = None) -> tuple[tuple[OperatorTime, ...], str]:
        """Time each operator in a second instance: the table, in order of execution, and a note if it is empty.

        The `graph` of a TFLite file tells which layers XNNPACK's operators are.
        """
        answer = self._ask(f"operators {runs}", dict[str, Any], self._patience_s(runs))
        try:
            if "trace" in answer:
                table = parse_trace(answer["trace"], warm_up=max(0, int(answer["warm_up"])), runs=runs)
            else:
                kind = Annotated[tuple[_Operator, ...], Len(max_length=MAX_OPERATORS)]
                table = _table(TypeAdapter(kind).validate_python(answer["operators"]), graph)
            TypeAdapter(Annotated[tuple[_Plausible, ...], Len(max_length=MAX_OPERATORS)]).validate_python(
                table, from_attributes=True
            )
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise RuntimeRefusal(f"The operators' times from {self._device} are of an unknown form.") from error
        return table, str(answer.get("note", ""))[:300]

    def run_batch(self, source: str, target: str, *, timeout_s: float) -> tuple[int, tuple[RunnerTensor, ...]]:
        """Run the records in the device's file `source`, outputs to `target`: their number, and the outputs' forms."""
        answer = self._ask(f"batch\t{source}\t{target}", _Batch, timeout_s)
        return answer.records, answer.outputs

    def clock_offset(self, asked_ns: int, block: Block) -> int:
        """What to add to the device's clock for this host's; a block cannot have begun before it was asked for."""
        if self._offset_ns is None:
            self._offset_ns = asked_ns - block.start_ns
        return self._offset_ns

    def report(self) -> Report:
        """Ask for the figures about the whole life."""
        return self._ask("report", Report, self._patience_s(1))

    def _patience_s(self, runs: int) -> float:
        """How long an answer may take that needs as many inferences, and perhaps the model loaded anew."""
        opened = self.opened
        expected_ns = opened.load_ns + opened.compile_ns + (runs + 1) * opened.first_ns
        return PATIENCE_S + SLOWER * expected_ns / 1e9

    def _ask(self, request: str, kind: type[Answer], timeout_s: float) -> Answer:
        self._conversation.send(request)
        return self._receive(kind, timeout_s)

    def _receive(self, kind: type[Answer], timeout_s: float) -> Answer:
        line = self._conversation.receive(timeout_s=timeout_s)
        if line is None:
            raise self._early_end()
        try:
            answer = json.loads(line)
            if isinstance(answer, dict):
                self._raise_if_failed(answer)
            return TypeAdapter(kind).validate_python(answer)
        except (ValueError, ValidationError, RecursionError) as error:
            raise DeviceError(f"The runner on {self._device} answered nonsense: {line[:100]!r}.") from error

    def _raise_if_failed(self, answer: dict[str, Any]) -> None:
        if "refusal" in answer:
            raise RuntimeRefusal(
                f"{self._device} refused {self._model}: {str(answer['refusal'])[:300].rstrip('.')}.",
                hint=_last_error(self._conversation.stderr_end()),
            )
        if "crash" in answer:
            raise RuntimeRefusal(
                f"The runtime crashed on {self._model} on {self._device} ({str(answer['crash'])[:100]}).",
                hint="The file may be damaged, or the runtime may have a bug.",
            )
        if "late" in answer:
            raise DeviceError(f"The measurement of {self._model} on {self._device} took too long, and was ended.")

    def _early_end(self) -> DeviceError:
        status = self._conversation.status
        if status == KILLED:
            return DeviceError(f"The runner on {self._device} was killed.", hint="Has the device too little memory?")
        said = self._conversation.stderr_end()
        reason = last_line(said) if said.strip() else f"exit status {status}, without a word"
        return DeviceError(f"The runner on {self._device} ended early: {reason}.")


def _last_error(said: str) -> str:
    """What LiteRT printed last about an error."""
    lines = [line for line in said.splitlines() if line.startswith("ERROR: ") and line.isprintable()]
    return f"It last said: {lines[-1].removeprefix('ERROR: ')[:300].rstrip('.')}." if lines else ""


def _table(told: tuple[_Operator, ...], graph: Graph | None) -> tuple[OperatorTime, ...]:
    events = [Event(each.kind, None if each.node < 0 else each.node) for each in told]
    names = layer_names(graph, events) if graph else [UNKNOWN for _ in told]
    return tuple(
        OperatorTime(name, f"XNNPACK {each.kind}", median_ns(each.elapsed_us), 1.0)
        if each.node < 0
        else OperatorTime(each.name, each.kind, median_ns(each.elapsed_us), 1.0)
        for each, name in zip(told, names, strict=True)
    )
