"""Writes README's tables anew from the code that they describe; a test compares.

python scripts/readme_tables.py
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from edgecompress.cli.main import COMMANDS
from edgecompress.convert.targets import TARGETS
from edgecompress.data import DATA_SETS
from edgecompress.methods import METHODS
from edgecompress.zoo import ARCHITECTURES

README = Path(__file__).parents[1] / "README.md"
MEANINGS = {
    "float32": "as trained",
    "float16": "float16 weights, float32 arithmetic",
    "dynamic": "int8 weights; activations are quantized while it runs",
    "int8": "int8 weights and activations",
    "int16x8": "int8 weights, int16 activations",
    "binary": "1-bit weights, and 1-bit activations between them; the other layers int8",
}


def tables() -> dict[str, str]:
    """Return each table as Markdown, by the name that its place in README has."""
    return {
        "commands": _table(
            ["command", "what it does"], [[f"`edgecompress {n}`", text] for n, text in COMMANDS.items()]
        ),
        "methods": _table(
            ["method", "what it does", "options", "paper"],
            [
                [
                    f"`{m.name}`",
                    m.summary,
                    ", ".join(f"`{o}`" for o in m.__dataclass_fields__ if o not in _OWN),
                    m.paper,
                ]
                for m in METHODS
            ],
        ),
        "architectures": _table(
            ["architecture", "what it is", "options", "paper"],
            [[f"`{a.name}`", a.summary, ", ".join(f"`{o.name}`" for o in a.options), a.paper] for a in ARCHITECTURES],
        ),
        "data": _table(["data", "what it is"], [[f"`{d.form}`", d.description] for d in DATA_SETS]),
        "targets": _table(["target", "what is stored"], [[f"`{t}`", MEANINGS[t.precision]] for t in TARGETS]),
    }


_OWN = {"name", "paper", "summary"}


def measured() -> dict[str, str]:
    """Return the tables of measured figures, from what the scripts wrote beside the models."""
    accuracy = _read("mobilenet_v1/results.json")
    speed, parity, startup = (
        _read("mobilenet_v1/conversion_speed.json"),
        _read("int8_parity.json"),
        _read("startup_time.json"),
    )
    times = {(entry["artifact"], entry["threads"]): entry["steady"] for entry in accuracy["latency"]}
    files = []
    for check in accuracy["verification"]["artifacts"]:
        name, found, steady = check["artifact"], check["accuracy"], times[check["artifact"], 1]
        sizes = accuracy["sizes"][name]
        files.append(
            [
                f"{check['variant']} `{check['target']}`",
                f"{found['percent']:.2f} ({found['low']:.2f} to {found['high']:.2f})",
                f"{sizes['raw_bytes'] / 1024:.1f}",
                f"{sizes['zstd_bytes'] / 1024:.1f}",
                "{p50_ns:.3f} ({p50_low_ns:.3f} to {p50_high_ns:.3f})".format(
                    **{key: value / 1e6 for key, value in steady.items()}
                ),
            ]
        )
    worst = max(entry["parity"]["largest_steps"] for entry in parity["results"])
    equal = min(entry["parity"]["equal_outputs"] for entry in parity["results"])
    argmax = min(entry["parity"]["equal_argmax"] for entry in parity["results"])
    goals = [
        [goal["name"], f"{goal['value']:+.2f}", "yes" if goal["reached"] else "**no**"] for goal in accuracy["targets"]
    ]
    goals += [
        [
            "conversion to four files, times faster than the stock route",
            f"{speed['ratio']:.1f}",
            _yes(speed["ratio"] >= 8),
        ],
        ["int8 TFLite against ONNX: equal outputs, %, at the least", f"{equal:.3f}", _yes(equal >= 99.9)],
        ["int8 TFLite against ONNX: steps apart, at the most", f"{worst:g}", _yes(worst <= 1)],
        ["int8 TFLite against ONNX: equal argmax, %, at the least", f"{argmax:.2f}", _yes(argmax == 100)],
        ["`edgecompress --help`, median s", f"{startup['median_s']:.2f}", _yes(startup["median_s"] < 0.4)],
        *_device_goals(),
    ]
    head = ["file", "accuracy, % (95 % interval)", "KiB", "KiB after zstd -19", "p50, ms, 1 thread (95 % interval)"]
    goals_table = _table(["figure", "measured", "goal reached"], goals)
    return {"files": _table(head, files), "goals": goals_table, "instructions": _instructions()}


def _device_goals() -> list[list[str]]:
    agreement, calls = _read("runner_agreement.json"), _read("comparison_calls.json")
    counts = _read("mobilenet_v1/instruction_counts.json")
    apart = max(abs(each["ratio"] - 1) for each in agreement["files"])
    wrong = 1 - calls["calls"]["0 %"]["cannot tell"] / calls["trials"]
    found = calls["calls"]["3 %"]["slower"] / calls["trials"]
    names = "the runner's p50 against `litert-benchmark`'s, by turns, three models: % apart, at the most"
    return [
        [names, f"{100 * apart:.1f}", _yes(apart <= 0.05)],
        ["equal files that `compare` calls different, %", f"{100 * wrong:.1f}", _yes(wrong <= 0.05)],
        ["differences of 3 % that `compare` finds, %", f"{100 * found:.1f}", _yes(found >= 0.9)],
        [
            "instructions, between processes: % apart, at the most",
            f"{100 * counts['between_processes']:.3f}",
            _yes(counts["between_processes"] <= 0.0005),
        ],
    ]


def _instructions() -> str:
    counts = _read("mobilenet_v1/instruction_counts.json")["counts"]
    head = ["processor", *(name.removeprefix("dense.") for name in next(iter(counts.values())))]
    return _table(head, [[cpu, *(f"{count / 1e6:.3f} M" for count in row.values())] for cpu, row in counts.items()])


def _read(name: str) -> dict[str, Any]:
    return json.loads((README.parent / "models" / name).read_text())


def _yes(reached: bool) -> str:
    return "yes" if reached else "**no**"


def render(text: str) -> str:
    """Return README with the tables between its markers, `<!-- table: NAME -->` and `<!-- end -->`, made anew."""
    for name, table in (tables() | measured()).items():
        marked = rf"(<!-- table: {name} -->\n).*?(<!-- end -->)"
        text, count = re.subn(
            marked, lambda found, table=table: f"{found[1]}\n{table}\n{found[2]}", text, flags=re.DOTALL
        )
        assert count == 1, f"README has {count} places for the table '{name}'"
    return text


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    README.write_text(render(README.read_text()))
