"""Two files against one another, in one sentence a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecompress.devices.address import Address
from edgecompress.pipeline.on_devices.profile import profile_files
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.statistics import compare
from edgecompress.progress import Progress, silent
from edgecompress.values import Failure, InstructionCount, Measurement


@dataclass(frozen=True)
class DeviceVerdict:
    """The second file against the first on one device."""

    device: str
    threads: int
    metric: str  # "time" or, on an emulated device, "instructions"
    verdict: str  # "faster", "slower", "cannot tell"; "fewer", "more" or "equal" instructions
    ratio: float
    low: float
    high: float
    sentence: str
    invalid: str = ""  # why the samples must not be believed: then nothing can be told
    conditions: str = ""  # in a line
    remarks: tuple[str, ...] = ()  # on what was unusual about them


@dataclass(frozen=True)
class Compared:
    """What the devices say."""

    verdicts: tuple[DeviceVerdict, ...]
    failures: tuple[Failure, ...]


def compare_files(
    first: Path, second: Path, *, devices: Sequence[str | Address], plan: Plan, on_progress: Progress = silent
) -> Compared:
    """Measure two files interleaved and compare them, on each device and for each thread count.

    Raises what `profile_files` raises.
    """
    found = profile_files([first, second], devices=devices, plan=plan, all_or_none=True, on_progress=on_progress)
    verdicts = []
    for a, b in zip(found.measurements[::2], found.measurements[1::2], strict=True):
        result, invalid = compare(a.samples_ns, b.samples_ns), a.invalid or b.invalid
        verdict = "cannot tell" if invalid else result.verdict
        verdicts.append(
            DeviceVerdict(a.device, a.threads, "time", verdict, result.ratio, result.low, result.high,
                          _sentence(verdict, result.ratio, result.low, result.high), invalid, *_conditions(a, b))
        )  # fmt: skip
    for one, two in zip(found.instructions[::2], found.instructions[1::2], strict=True):
        ratio = two.instructions / one.instructions
        verdict = "fewer" if ratio < 1 else "more" if ratio > 1 else "equal"
        sentence = f"takes {100 * abs(ratio - 1):.1f} % {verdict} instructions than"
        verdicts.append(
            DeviceVerdict(one.device, 1, "instructions", verdict, ratio, ratio, ratio,
                          "takes as many instructions as" if verdict == "equal" else sentence, "",
                          *_conditions(one, two))
        )  # fmt: skip
    return Compared(tuple(verdicts), found.failures)


def _conditions(
    one: Measurement | InstructionCount, two: Measurement | InstructionCount
) -> tuple[str, tuple[str, ...]]:
    """Their line, and the remarks on either."""
    remarks = [remark for each in (one, two) for remark in each.conditions.get("remarks", ())]
    return str(one.conditions.get("line", "")), tuple(dict.fromkeys(remarks))


def _sentence(verdict: str, ratio: float, low: float, high: float) -> str:
    """Say it with the interval, as "is faster by 7.1 % [6.2, 8.0] than"."""
    if verdict == "cannot tell":
        return f"cannot be told from (time {100 * (low - 1):+.1f} .. {100 * (high - 1):+.1f} %)"
    ends = sorted(abs(100 * (end - 1)) for end in (low, high))
    return f"is {verdict} by {100 * abs(ratio - 1):.1f} % [{ends[0]:.1f}, {ends[1]:.1f}] than"
