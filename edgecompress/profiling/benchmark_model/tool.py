"""Google's `benchmark_model`, as a user brings it for a phone: its flags, and what it prints.

Every version times a warm-up and then the measurement, in whole microseconds, and prints a line of statistics for each
(`count=50 first=... std=...`; newer ones add `p5= median= p95=`) and a summary at the end: TensorFlow Lite's tool one
line, LiteRT's a block in milliseconds. The summary repeats the measurement's mean, which shows that the line belongs to
it and that nothing is cut. All of them ignore a flag that they do not know, with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgecompress.errors import DeviceError
from edgecompress.values import OperatorTime

TEXT_LIMIT = 4 * 2**20  # characters
QUOTE_LIMIT = 200  # characters of the tool's own words in a message
COUNT_LIMIT = 1e9
COLUMN_LIMIT = 20
MICROSECONDS_LIMIT = 1e12
MEBIBYTES_LIMIT = 1e7
WARM_UP_S = 0.5

NUMBER = re.compile(r"\d{1,20}(\.\d{1,20})?(e[+-]?\d{1,2})?", re.ASCII)
CELL = re.compile(r"-?(\d[\d.]{0,40}(e[+-]?\d{1,3})?|nan|inf)%?", re.ASCII)
PREFIX = re.compile(r"(.{0,120}?\btflite {0,9}: )?([A-Z]+: )?(\[[^\]]{0,200}\] )?")  # of logcat, a level, a source line
STATISTIC = re.compile(r"\b(\w{1,16})=([^\s(]+)")
TIMINGS = re.compile(
    r"Inference timings in us: Init: (\S+), First inference: \S+, Warmup \(avg\): \S+, Inference \(avg\): (\S+)"
)
INITIALIZATION_MS = re.compile(r"Model initialization: +(\S+) ms")
MEAN_MS = re.compile(r"Inference \(avg\): +(\S+) ms \(\S+ runs\)")
PEAK_MEMORY = re.compile(
    r"Overall peak memory footprint \(MB\) via periodic monitoring: (?P<old>\S+)|Peak memory: +(?P<new>\S+) MB"
)
MODEL_MEMORY = re.compile(
    r"(?:Memory footprint delta from the start of the tool|Peak memory footprint) \(MB\): init=\S+ overall=(?P<old>\S+)"
    r"|Overall footprint: +(?P<new>\S+) MB"
)
OPERATORS_TITLE = "Operator-wise Profiling Info for Regular Benchmark Runs:"


@dataclass(frozen=True)
class BenchmarkOutput:
    """What one run of the tool measured; None where its version does not tell, or was not asked."""

    init_ns: int  # reading the model and making it ready to run
    first_ns: int
    count: int  # inferences in the measurement, without the warm-up
    mean_ns: int
    min_ns: int
    max_ns: int
    std_ns: int
    p5_ns: int | None
    median_ns: int | None
    p95_ns: int | None
    peak_memory_bytes: int | None
    model_memory_bytes: int | None  # growth of the peak of resident memory since the tool's start


@dataclass(frozen=True)
class _Series:
    """A line of statistics, in microseconds."""

    count: int
    first: float
    mean: float
    low: float
    high: float
    deviation: float
    quantiles: tuple[float, float, float] | None


def arguments(
    model: str, *, threads: int, runs: int, seconds: float, max_seconds: float, operators_csv: str = ""
) -> list[str]:
    """Give the tool's arguments for at least `runs` inferences and `seconds`, but no more than `max_seconds`.

    With `operators_csv`, a path on the device, it also times every operator: that slows it down, so let a run of its
    own do it. LiteRT's tool does not know these flags and writes no such file. Quoting for a shell is the caller's.
    """
    found = [
        f"--graph={model}",
        f"--num_threads={threads}",
        f"--num_runs={runs}",
        f"--min_secs={seconds:g}",
        f"--max_secs={max_seconds:g}",
        "--warmup_runs=1",
        f"--warmup_min_secs={WARM_UP_S:g}",
        "--report_peak_memory_footprint=true",
    ]
    if operators_csv:
        # The last one is the older name. Versions that know all of them take it for the same wish.
        found += ["--enable_op_profiling=true", "--op_profiling_output_mode=csv"]
        found += [f"--op_profiling_output_file={operators_csv}", f"--profiling_output_csv_file={operators_csv}"]
    return found


def parse_output(text: str) -> BenchmarkOutput:
    """Read what the tool printed, on both its streams, alone or among the lines of a log.

    Raises DeviceError if the tool failed, if this is not its output, or if the output is cut or contradicts itself.
    """
    lines = _lines(text)
    if any("Benchmarking failed" in line for line in lines):
        raise DeviceError(f'benchmark_model failed on the device. It said "{_telling(lines)}".')
    messages = [PREFIX.sub("", line.strip(), count=1) for line in lines]
    init_us, mean_us, tolerance_us = _summary(messages, lines)
    statistics = [message for message in messages if message.startswith("count=")]
    if len(statistics) < 2:
        raise DeviceError(
            f"benchmark_model prints statistics of its warm-up and of its measurement, but {len(statistics)} came.",
            hint="Pass on everything that it prints.",
        )
    warm_up, measured = (_series(message) for message in statistics[-2:])
    if abs(float(f"{measured.mean:.6g}") - mean_us) > tolerance_us:  # six digits is what the tool prints
        raise DeviceError(
            f"benchmark_model's summary has a mean of {mean_us:g} us, but the statistics before it have "
            f"{measured.mean:g} us: lines are missing, or come from two runs."
        )
    p5, median, p95 = measured.quantiles or (None, None, None)
    return BenchmarkOutput(
        init_ns=_nanoseconds(init_us),
        first_ns=_nanoseconds(warm_up.first),
        count=measured.count,
        mean_ns=_nanoseconds(measured.mean),
        min_ns=_nanoseconds(measured.low),
        max_ns=_nanoseconds(measured.high),
        std_ns=_nanoseconds(measured.deviation),
        p5_ns=None if p5 is None else _nanoseconds(p5),
        median_ns=None if median is None else _nanoseconds(median),
        p95_ns=None if p95 is None else _nanoseconds(p95),
        peak_memory_bytes=_memory_bytes(PEAK_MEMORY, messages),
        model_memory_bytes=_memory_bytes(MODEL_MEMORY, messages),
    )


def parse_operators_csv(text: str) -> tuple[OperatorTime, ...]:
    """Read the operators of the primary graph, in the order in which they run, from the tool's CSV file.

    The times of an operator that stands for several calls are added up; the tool rounds the number of calls down, and
    one that it rounds to zero counts as one. What runs within an operator, as in a loop's body, has tables of its own,
    which are left out, since its time is in that operator's.

    Raises DeviceError if there is no such table, or if it is cut or damaged.
    """
    lines = _lines(text)
    titles = [index for index, line in enumerate(lines) if line.strip().endswith(OPERATORS_TITLE)]
    table = lines[titles[-1] + 1 :] if titles else []
    start = next((index for index, line in enumerate(table) if line.startswith("node type,")), None)
    if start is None:
        raise DeviceError(
            "The operator profile has no CSV table of the operators.", hint="Run benchmark_model with op profiling on."
        )
    columns = [column.strip().lower().replace("_", " ") for column in table[start].split(",")]
    if len(columns) > COLUMN_LIMIT or columns[-1] != "name" or not {"avg ms", "times called"} <= set(columns[1:-1]):
        raise DeviceError(f"The operator profile has columns that are not known: {_quoted(table[start])}")
    rows = table[start + 1 :]
    end = next((index for index, line in enumerate(rows) if not line.strip()), 0)
    if not end:  # the tool ends a table with an empty line
        raise DeviceError("The operator profile is cut, or its table has no rows.")
    return tuple(_operator(line, columns[1:-1]) for line in rows[:end])


def _operator(line: str, columns: Sequence[str]) -> OperatorTime:
    """One row, whose kind and name may themselves hold commas (newer versions write those in a name as tabs)."""
    cells = line.split(", ")
    for start in range(1, len(cells) - len(columns)):
        end = start + len(columns)
        if all(CELL.fullmatch(cell) for cell in cells[start:end]):
            row = dict(zip(columns, cells[start:end], strict=True))
            calls = max(1.0, _number(row["times called"], COUNT_LIMIT))
            mean_us = 1000 * _number(row["avg ms"], MICROSECONDS_LIMIT / 1000)
            name = ", ".join(cells[end:]).replace("\t", ",").strip()
            return OperatorTime(name, ", ".join(cells[:start]).strip(), 1000 * mean_us * calls, calls)
    raise DeviceError(f"A row of the operator profile does not fit its columns: {_quoted(line)}")


def _summary(messages: Sequence[str], lines: Sequence[str]) -> tuple[float, float, float]:
    """Microseconds of the initialization and of the mean inference, and how much rounding may change the latter."""
    if timings := _last(TIMINGS, messages):
        return _number(timings[1], MICROSECONDS_LIMIT), _number(timings[2], MICROSECONDS_LIMIT), 0.0
    initialization, mean = _last(INITIALIZATION_MS, messages), _last(MEAN_MS, messages)
    if initialization and mean:
        init_us, mean_us = (1000 * _number(each[1], MICROSECONDS_LIMIT / 1000) for each in (initialization, mean))
        return init_us, mean_us, 5.01 + 1e-5 * mean_us  # half of 0.01 ms, and the six digits of the statistics
    if any(message.startswith("Average inference timings in us:") for message in messages):
        raise DeviceError(
            "This benchmark_model is too old: it does not tell the time of the first inference.",
            hint="Take a newer one.",
        )
    raise DeviceError(
        f'benchmark_model ended without its summary. It said "{_telling(lines)}".',
        hint="Does the file run on this device, and does it run this model?",
    )


def _series(message: str) -> _Series:
    fields = dict(STATISTIC.findall(message))
    count = _number(fields.pop("count", ""), COUNT_LIMIT)
    if not count or not count.is_integer():
        raise DeviceError(f"benchmark_model ran no inference: {_quoted(message)}")
    values = {key: _number(value, MICROSECONDS_LIMIT) for key, value in fields.items()}
    if "first" not in values and "curr" in values and (count == 1 or "(all same)" in message):
        same = values["curr"]
        values = dict.fromkeys(("first", "min", "max", "avg", "p5", "median", "p95"), same) | values | {"std": 0.0}
    given = [key for key in ("p5", "median", "p95") if key in values]
    if not {"first", "min", "max", "avg", "std"} <= values.keys() or len(given) not in (0, 3):
        raise DeviceError(f"benchmark_model's statistics are cut or damaged: {_quoted(message)}")
    low, high = values["min"], values["max"]
    quantiles = [low, *(values[key] for key in given), high]
    slack = 1e-5 * high  # the mean has six digits
    if (
        quantiles != sorted(quantiles)
        or not low <= values["first"] <= high
        or not low - slack <= values["avg"] <= high + slack
    ):
        raise DeviceError(f"benchmark_model's statistics contradict each other: {_quoted(message)}")
    return _Series(
        int(count),
        values["first"],
        values["avg"],
        low,
        high,
        values["std"],
        (values["p5"], values["median"], values["p95"]) if given else None,
    )


def _memory_bytes(pattern: re.Pattern[str], messages: Sequence[str]) -> int | None:
    match = _last(pattern, messages)
    return None if match is None else round(_number(match["old"] or match["new"], MEBIBYTES_LIMIT) * 2**20)


def _last(pattern: re.Pattern[str], messages: Sequence[str]) -> re.Match[str] | None:
    return next((match for message in reversed(messages) if (match := pattern.fullmatch(message))), None)


def _number(text: str, limit: float) -> float:
    if not NUMBER.fullmatch(text) or (value := float(text)) > limit:
        raise DeviceError(
            f"benchmark_model gave {_quoted(text) or 'nothing'} where a number up to {limit:g} was expected."
        )
    return value


def _nanoseconds(microseconds: float) -> int:
    return round(1000 * microseconds)


def _lines(text: str) -> list[str]:
    if len(text) > TEXT_LIMIT:
        raise DeviceError(f"benchmark_model gave {len(text)} characters; no more than {TEXT_LIMIT} are read.")
    if "\0" in text:
        raise DeviceError("benchmark_model gave bytes that are not text.")
    return text.splitlines()


def _telling(lines: Sequence[str]) -> str:
    """The last line that names an error, or else the last line."""
    said = [line for line in lines if line.strip() and "Benchmarking failed" not in line]
    errors = [line for line in said if re.match(r"\s*(ERROR|FATAL)\b", line)]
    return _quoted((errors or said or ["nothing"])[-1])


def _quoted(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text[:QUOTE_LIMIT]).strip()
