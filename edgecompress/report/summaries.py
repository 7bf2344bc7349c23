"""What the pages say beside the main table, shorter than the content has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgecompress.profiling.sustained import thirds_ns
from edgecompress.report.content import Conditions, Content, Epoch, Setting, SlowOperators
from edgecompress.report.ranking import CANNOT_TELL
from edgecompress.tasks import headed
from edgecompress.values import InstructionCount, LayerNote, OperatorTime, Sustained

AXES = {"zstd_bytes": "size after zstd", "accuracy": "accuracy"}  # the third is p50 in the first setting


def legend(content: Content) -> list[str]:
    """Return what the marks and columns of the main table mean, as far as it has them."""
    found = ["The best of a column is bold; 1 KiB is 1024 bytes."]
    if any(CANNOT_TELL in row.marks.values() for row in content.rows):
        found.append(
            "≈ cannot tell: it is not known to differ from the best, and neither is called better. Times are compared "
            "by pairs of processes of one session, if valid; accuracies by the images that only one of two files has "
            "right (McNemar's test); the error of 5 % is shared by all pairs of files."
        )
    if content.pareto_axes:
        axes = ", ".join(AXES.get(key) or f"p50 ({content.settings[0]})" for key in content.pareto_axes)
        found.append(
            f"◆ is on the Pareto front of {axes}: no other file is better in one and as good in the rest, "
            "where what cannot be told apart counts as equal."
        )
    if content.verification:
        in_part = any(check.paired and check.paired.in_part for check in content.verification.artifacts)
        of_it, of_drop = ("Student's", "Student's") if in_part else ("Wilson's", "Tango's")
        found.append(
            f"{headed(content.metric)} on {content.verification.data}, with {of_it} 95 % "
            "interval; drop in percentage points below the dense Keras model on the same samples, with "
            f"{of_drop} 95 % interval: where that holds 0, there may be none; as Keras: samples of which the file "
            "decides what the Keras model does that it was made from."
        )
    if content.settings:
        found.append(
            "p50 with Student's 95 % interval over processes; load and first inference with the fastest and the "
            "slowest process; memory is what load and first inference add."
        )
    return found + [f"Conditions on {each.setting}: {each.line}." for each in content.conditions if each.line]


def conditions_lines(found: Sequence[InstructionCount | Sustained]) -> list[str]:
    """Return the conditions in which these were counted or timed, a line for each that differs."""
    lines = {(str(Setting(each.device, each.threads)), str(each.conditions.get("line", ""))) for each in found}
    return [f"Conditions on {setting}: {line}." for setting, line in sorted(lines) if line]


def microseconds(operator: OperatorTime) -> str:
    """Return an operator's time in microseconds."""
    return f"{operator.time_ns / 1000:.1f}"


def share(operator: OperatorTime, file: SlowOperators) -> str:
    """Return an operator's share of the time in all operators of its file, in percent."""
    return f"{100 * operator.time_ns / file.total_ns if file.total_ns else 0:.1f}"


def sustained_rows(content: Content) -> list[tuple[str, Setting, str, str, str, str, str]]:
    """Return of each file that ran without a pause: setting, minutes, p50 of the first and last third, change, heat."""
    rows = []
    for series in content.sustained:
        first_ns, last_ns = thirds_ns(series)
        hot = [window.temperature_c for window in series.windows if window.temperature_c is not None]
        minutes = series.seconds / 60
        rows.append(
            (
                *(series.artifact, Setting(series.device, series.threads), f"{minutes:.1f}"),
                *(f"{first_ns / 1e6:.3f}", f"{last_ns / 1e6:.3f}", f"{100 * (last_ns / first_ns - 1):+.1f}"),
                f"{hot[0]:.0f}–{max(hot):.0f}" if hot else "",
            )
        )
    return rows


def grouped(notes: tuple[LayerNote, ...]) -> list[tuple[str, str, str, list[str]]]:
    """Return what was done and why, between which figures, and to which layers."""
    found: dict[tuple[str, str], list[LayerNote]] = {}
    for note in notes:
        found.setdefault((note.action, note.reason), []).append(note)
    return [
        (action, reason, _ranges([note.figures for note in alike]), [note.layer for note in alike])
        for (action, reason), alike in found.items()
    ]


def kept_float(content: Content) -> list[tuple[str, str, list[str]]]:
    """Return the operators of int8 files that compute in float, why, and in which files."""
    found: dict[tuple[str, str], list[str]] = {}
    for file in content.float_operators:
        for note in file.operators:
            found.setdefault((note.layer, note.reason), []).append(file.artifact)
    return [(operator, reason, files) for (operator, reason), files in found.items()]


def stages(history: tuple[Epoch, ...]) -> list[tuple[str, int, Epoch, float]]:
    """Return each stage's name, number of epochs, last epoch, and best held-out accuracy in percent."""
    found: dict[str, list[Epoch]] = {}
    for epoch in history:
        found.setdefault(epoch.stage, []).append(epoch)
    return [
        (stage, len(epochs), epochs[-1], 100 * max(epoch.held_out_accuracy for epoch in epochs))
        for stage, epochs in found.items()
    ]


def before_and_after(conditions: Conditions) -> list[tuple[str, str, str]]:
    """Return each condition's name, and what it was before and after."""
    before, after = _leaves(conditions.before), _leaves(conditions.after)
    found = [(name, before.get(name, ""), after.get(name, "")) for name in before | after]
    return [row for row in found if any(row[1:])]


def _leaves(value: Any, name: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        found: dict[str, str] = {}
        for key, inner in value.items():
            found |= _leaves(inner, f"{name} {key}".replace("_", " ").strip())
        return found
    return {name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)}


def _ranges(figures: Sequence[Mapping[str, float]]) -> str:
    """Return each figure with its name, or between which values it lies."""
    found: dict[str, list[float]] = {}
    for one in figures:
        for name, value in one.items():
            found.setdefault(name.replace("_", " "), []).append(value)
    return ", ".join(
        f"{name} {min(values):g}" + (f"–{max(values):g}" if min(values) != max(values) else "")
        for name, values in found.items()
    )
