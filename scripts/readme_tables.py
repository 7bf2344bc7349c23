"""Writes the tables of README and docs/keras.md anew from the code that they describe; a test compares.

python scripts/readme_tables.py
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from readme.cells import read, table, yes
from readme.own_models import own_models
from readme.packing import deep_compression, packing, packing_goals, packing_speed, packing_stock
from readme.translation import translation

from edgecompress.cli.main import COMMANDS
from edgecompress.convert.targets import TARGETS
from edgecompress.data import DATA_SETS
from edgecompress.methods import METHODS
from edgecompress.zoo import ARCHITECTURES

README = Path(__file__).parents[1] / "README.md"
TFLITE = "tflite:float32"
BINARY_DROPS = {"bnn_mlp/recipes/mnist.toml": 0.5, "quicknet/recipes/fashion_mnist.toml": 2.5}  # percentage points
FOUND_WRONG = "wrong, found by the comparison"  # so that no file is left
GOOD_CONVERSIONS = ("right", "right, with a warning", "refused", FOUND_WRONG, "not built", "not made")
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
        "commands": table(["command", "what it does"], [[f"`edgecompress {n}`", text] for n, text in COMMANDS.items()]),
        "methods": table(
            ["method", "what it does", "options", "paper"],
            [
                [
                    f"`{m.name}`",
                    m.summary,
                    ", ".join(f"`{option.name}`" for option in fields(m)),
                    m.paper,
                ]
                for m in METHODS
            ],
        ),
        "architectures": table(
            ["architecture", "what it is", "options", "paper"],
            [[f"`{a.name}`", a.summary, ", ".join(f"`{o.name}`" for o in a.options), a.paper] for a in ARCHITECTURES],
        ),
        "data": table(["data", "what it is"], [[f"`{d.form}`", d.description] for d in DATA_SETS]),
        "targets": table(["target", "what is stored"], [[f"`{t}`", MEANINGS[t.precision]] for t in TARGETS]),
    }


def measured() -> dict[str, str]:
    """Return the tables of measured figures, from what the scripts wrote beside the models."""
    accuracy = read("mobilenet_v1/results.json")
    speed, parity, startup = (
        read("mobilenet_v1/conversion_speed.json"),
        read("int8_parity.json"),
        read("startup_time.json"),
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
    pairs = [each["parity"] for each in parity["results"] if each["parity"].get("kernels", "xnnpack") == "xnnpack"]
    slowest = max(each["ratio"] for each in read("training_step.json")["step_ms"].values())
    worst = max(each["largest_steps"] for each in pairs)
    equal = min(each["equal_outputs"] for each in pairs)
    argmax = min(each["equal_argmax"] for each in pairs)
    goals = [
        [goal["name"], f"{goal['value']:+.2f}", "yes" if goal["reached"] else "**no**"] for goal in accuracy["targets"]
    ]
    goals += [
        [
            "conversion to four files, times faster than the stock route",
            f"{speed['ratio']:.1f}",
            yes(speed["ratio"] >= 12),
        ],
        [
            "a training step over Keras 2's `train_on_batch`, the slowest of four networks",
            f"{slowest:.2f}",
            yes(slowest <= 1),
        ],
        ["int8 TFLite against ONNX: equal outputs, %, at the least", f"{equal:.3f}", yes(equal >= 99.9)],
        ["int8 TFLite against ONNX: steps apart, at the most", f"{worst:g}", yes(worst <= 1)],
        ["int8 TFLite against ONNX: equal argmax, %, at the least", f"{argmax:.2f}", yes(argmax == 100)],
        ["`edgecompress --help`, median s", f"{startup['median_s']:.2f}", yes(startup["median_s"] < 0.4)],
        *_device_goals(),
        *_binary_goals(),
        *packing_goals(),
    ]
    head = ["file", "accuracy, % (95 % interval)", "KiB", "KiB after zstd -19", "p50, ms, 1 thread (95 % interval)"]
    goals_table = table(["figure", "measured", "goal reached"], goals)
    return {
        "files": table(head, files),
        "conversions": _conversions(),
        "goals": goals_table,
        "instructions": _instructions(),
        "binary": _binary_times(),
        "binary_instructions": _binary_instructions(),
        "binary_model": _binary_model(),
        "binary_accuracy": _binary_accuracy(),
        "packing": packing(),
        "packing_stock": packing_stock(),
        "packing_speed": packing_speed(),
        "deep_compression": deep_compression(),
    }


def _conversions() -> str:
    """What became of files of random networks, and of networks that were once converted wrongly."""
    random, cases, alone = (read(f"{name}.json") for name in ("random_networks", "case_variations", "keras3_as_it_is"))
    drawn: Counter[str] = Counter()
    for name, files in random["files"].items():
        drawn[name.partition(" ")[2]] += files
    varied = sum((Counter(files) for files in cases["files"].values()), Counter[str]())
    single, both = (
        sum((Counter(files) for files in alone[which].values()), Counter[str]())
        for which in ("counts", "counts_in_both")
    )
    rows = [
        [
            networks,
            f"{number:,}",
            f"{files['right'] + files['right, with a warning']:,}",
            f"{files['refused'] + files[FOUND_WRONG]:,}",
            f"{sum(files.values()) - sum(files[good] for good in GOOD_CONVERSIONS)}",
        ]
        for networks, number, files in (
            ("random ones", random["networks"], drawn),
            ("variations of cases that once went wrong", sum(cases["networks"].values()), varied),
            ("layers and operations that both Kerases have", sum(alone["counts_in_both"][TFLITE].values()), both),
            ("those that Keras 2 lacks", sum(alone["counts"][TFLITE].values()), single),
        )
    ]
    return table(["networks", "number", "files right", "files refused", "wrong, crashed or unclear"], rows)


def _device_goals() -> list[list[str]]:
    agreement, calls = read("runner_agreement.json"), read("comparison_calls.json")
    counts = read("mobilenet_v1/instruction_counts.json")
    apart = max(abs(each["ratio"] - 1) for each in agreement["files"])
    wrong = 1 - calls["calls"]["0 %"]["cannot tell"] / calls["trials"]
    found = calls["calls"]["3 %"]["slower"] / calls["trials"]
    names = "the runner's p50 against `litert-benchmark`'s, by turns, three models: % apart, at the most"
    return [
        [names, f"{100 * apart:.1f}", yes(apart <= 0.05)],
        ["equal files that `compare` calls different, %", f"{100 * wrong:.1f}", yes(wrong <= 0.05)],
        ["differences of 3 % that `compare` finds, %", f"{100 * found:.1f}", yes(found >= 0.9)],
        [
            "instructions, between processes: % apart, at the most",
            f"{100 * counts['between_processes']:.3f}",
            yes(counts["between_processes"] <= 0.0005),
        ],
    ]


def _instructions() -> str:
    counts = read("mobilenet_v1/instruction_counts.json")["counts"]
    head = ["processor", *(name.removeprefix("dense.") for name in next(iter(counts.values())))]
    return table(head, [[cpu, *(f"{count / 1e6:.3f} M" for count in row.values())] for cpu, row in counts.items()])


def _binary_times() -> str:
    """Microseconds of a convolution in a chain of eight, a row a file and its runtime."""
    results = read("binary_speed.json")["times"]["results"]
    shapes = [shape for shape in results if shape != "kernels"]
    names = results[shapes[0]]["us_a_convolution"]
    rows = [
        [f"`{name.split()[0]}`", results[shapes[0]]["runtimes"][name]]
        + [f"{results[shape]['us_a_convolution'][name]:.0f}" for shape in shapes]
        for name in names
    ]
    return table(["file", "runtime", *shapes], rows)


def _binary_instructions() -> str:
    results = read("binary_speed.json")["instructions"]["results"]
    targets = list(next(iter(results.values())))
    rows = [[f"`{target}`", *(f"{row[target] / 1e6:.2f} M" for row in results.values())] for target in targets]
    return table(["file", *results], rows)


def _binary_model() -> str:
    speed = read("quicknet/speed.json")
    rows = [
        [
            f"`{name}`",
            speed["runtimes"][name],
            f"{statistics.median(rounds) / 1e6:.2f}",
            f"{speed['size_bytes'][name] / 1024:,.0f}",
        ]
        for name, rounds in speed["rounds_ns"].items()
    ]
    return table(["file", "runtime", "p50, ms, 1 thread", "KiB"], rows)


def _binary_accuracy() -> str:
    rows = []
    for recipe, found in read("binary_accuracy.json")["results"].items():
        for check in found["verification"]["artifacts"]:
            if check["target"] in ("tflite:float32", "tflite:binary") and ("dense" in check["variant"]) == (
                check["target"] == "tflite:float32"
            ):
                right = check["accuracy"]
                percent = f"{right['percent']:.2f} ({right['low']:.2f} to {right['high']:.2f})"
                rows.append([f"`{recipe}`", f"`{check['target']}`", percent])
    return table(["recipe", "file", "accuracy, % (95 % interval)"], rows)


def _binary_goals() -> list[list[str]]:
    speed, model = read("binary_speed.json"), read("quicknet/speed.json")
    accuracy = read("binary_accuracy.json")["results"]
    kernels = speed["times"]["results"]["kernels"]
    share = min(row["gmacs"] for row in kernels["kernels"] if row["form"] == kernels["best"]) / kernels["bound_gmacs"]
    counts = speed["instructions"]["results"].values()

    def faster(pair: str, section: str = "times") -> float:
        results = speed[section]["results"]
        return min(row["times_faster"][pair] for name, row in results.items() if name != "kernels")

    def fewer(target: str) -> float:
        return min(row[target] / row["tflite:binary"] for row in counts)

    figures = [
        ("binary convolutions, times faster than float32 in LiteRT", faster("tflite:binary over tflite:float32"), 8),
        ("binary convolutions, times faster than int8 in LiteRT", faster("tflite:binary over tflite:int8"), 2),
        (
            "the same on a processor without AMX, times faster than int8",
            faster("tflite:binary over tflite:int8", "times_without_amx"),
            2,
        ),
        ("the same on AVX2, times faster than float32", faster("tflite:binary avx2 over tflite:float32"), 4),
        ("bare kernels, share of the bound of table look-up", share, 0.75),
        ("binary convolutions on a Cortex-A76, times fewer instructions than float32", fewer("tflite:float32"), 6),
        ("the same against int8", fewer("tflite:int8"), 1.5),
        ("QuickNet binary, times faster than its float32 twin", model["times_faster"], 3),
        ("QuickNet binary, times smaller than its float32 twin", model["times_smaller"], 12),
    ]
    goals = [[name, f"{value:.2f}", yes(value >= limit)] for name, value, limit in figures]
    for recipe, limit in BINARY_DROPS.items():
        drop = accuracy[recipe]["drop"]
        goals.append([f"binary accuracy below the float32 twin, pp, `{recipe}`", f"{drop:+.2f}", yes(drop <= limit)])
    agreements = [row["agreements"] for row in accuracy.values()]
    equal = min(value for row in agreements for name, value in row.items() if name.startswith("argmax"))
    bits = max(row["bits_a_weight"] for row in accuracy.values())
    goals.append(
        ["Keras against binary TFLite and ONNX: equal argmax, %, at the least", f"{equal:.2f}", yes(equal >= 99.9)]
    )
    goals.append(["binary kernels in the file, bits a weight, at the most", f"{bits:.3f}", yes(bits <= 1.06)])
    return goals


def render(page: Path) -> str:
    """Return a page with the tables between its markers, `<!-- table: NAME -->` and `<!-- end -->`, made anew."""
    text = page.read_text()
    for name, made in PAGES[page]().items():
        marked = rf"(<!-- table: {name} -->\n).*?(<!-- end -->)"
        text, count = re.subn(marked, lambda found, made=made: f"{found[1]}\n{made}\n{found[2]}", text, flags=re.DOTALL)
        assert count == 1, f"{page.name} has {count} places for the table '{name}'"
    return text


PAGES: dict[Path, Callable[[], dict[str, str]]] = {
    README: lambda: tables() | measured(),
    README.parent / "docs" / "keras.md": translation,
    README.parent / "docs" / "own-models.md": own_models,
}

if __name__ == "__main__":
    for each in PAGES:
        each.write_text(render(each))
