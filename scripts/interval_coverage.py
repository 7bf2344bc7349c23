"""How often the 95 % interval of `edgecompress profile` holds the truth, and how often equal files are ranked.

Draws measurements from laws whose truth is known, and from recorded processes of one file, for which the truth is the
median of all their medians.

python scripts/interval_coverage.py [--recorded edgecompress/profiling/testdata/recorded_pairs.npz ...]
    [--trials 5000] [--json models/interval_coverage.json]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.devices.conditions import snapshot
from edgecompress.profiling.statistics import summarize
from edgecompress.report.content import Interval
from edgecompress.report.ranking import CANNOT_TELL, rank
from edgecompress.runs.versions import versions
from edgecompress.storage import to_json, write_text

RECORDED = Path("edgecompress/profiling/testdata/recorded_pairs.npz")
PROCESSES = (2, 3, 5, 10, 16)
WANTED = {3: (0.93, 0.97), 5: (0.93, 0.97), 10: (0.93, 0.97)}
FILES = (2, 6)  # that are equal, and ranked
RANKED = 0.05  # of such sets, at most
SAMPLES = 100  # of a process
NOISE, LUCK = 0.1, 0.015  # deviations of the logarithms, of a sample and of a process

Generator = np.random.Generator
Medians = Callable[[Generator, int], np.ndarray]  # of so many processes


def main() -> None:
    """Draw, print, and write down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recorded", type=Path, action="append", default=None)
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    for name, (draw, truth_ns) in _laws().items():
        rows.append(_row(name, draw, truth_ns, arguments.trials, must_hold="skewed" not in name))
    for path in arguments.recorded or [RECORDED]:
        with np.load(path) as file:
            medians = {role: np.median(file[role], axis=1) for role in ("first", "second")}
        pooled = np.concatenate(list(medians.values()))
        for role, drawn in {"both": pooled, **medians}.items():
            name = f"{path.name}, {role} ({len(drawn)} processes)"
            rows.append(
                _row(name, partial(_recorded, drawn), float(np.median(drawn)), arguments.trials, role == "both")
            )
    reached = all(row["reached"] for row in rows)
    print("reached" if reached else "NOT REACHED")
    if arguments.json:
        about = {"trials": arguments.trials, "versions": versions(), "machine": snapshot()}
        write_text(arguments.json, to_json({**about, "rows": rows, "reached": reached}))


def _row(name: str, draw: Medians, truth_ns: float, trials: int, must_hold: bool) -> dict[str, Any]:
    coverage = {count: _coverage(draw, truth_ns, count, trials) for count in PROCESSES}
    ranked = {
        f"{files} files, {count} processes": _ranked(draw, files, count, trials // 10)
        for files in FILES
        for count in WANTED
    }
    held = all(low <= coverage[count] <= high for count, (low, high) in WANTED.items())
    reached = (held or not must_hold) and max(ranked.values()) <= RANKED
    shown = ", ".join(f"{count}: {100 * share:.1f} %" for count, share in coverage.items())
    print(f"{name}: holds the truth, by processes {shown}; equal files ranked in {100 * max(ranked.values()):.1f} %")
    return {"name": name, "coverage": coverage, "ranked": ranked, "must_hold": must_hold, "reached": reached}


def _coverage(draw: Medians, truth_ns: float, processes: int, trials: int) -> float:
    generator, held = np.random.default_rng(processes), 0
    for _ in range(trials):
        found = summarize(draw(generator, processes)[:, None])
        assert found.p50_low_ns is not None and found.p50_high_ns is not None
        held += found.p50_low_ns <= truth_ns <= found.p50_high_ns
    return held / trials


def _ranked(draw: Medians, files: int, processes: int, trials: int) -> float:
    """The share of sets of equal files of which one is called the best."""
    generator, ranked = np.random.default_rng(files), 0
    for _ in range(trials):
        series = [draw(generator, processes) for _ in range(files)]
        values = [Interval(float(np.exp(np.log(each).mean())), None, None, tuple(each), "now") for each in series]
        ranked += set(rank(values)) != {CANNOT_TELL}
    return ranked / trials


def _laws() -> dict[str, tuple[Medians, float]]:
    """Laws by what they are, with their truth: what a process takes that is neither lucky nor unlucky."""
    found: dict[str, tuple[Medians, float]] = {}
    for luck_name, luck in (("normal", _normal), ("heavy-tailed", _heavy), ("skewed", _skewed)):
        for noise_name, noise in (("normal", _normal), ("heavy-tailed", _heavy), ("spiky", _spiky)):
            generator = np.random.default_rng(0)
            typical = np.mean([np.median(noise(generator, SAMPLES)) for _ in range(20_000)])
            truth_ns = 1e6 * float(np.exp(NOISE * typical))
            found[f"{luck_name} luck, {noise_name} noise"] = (partial(_drawn, luck, noise), truth_ns)
    return found


def _drawn(luck: Medians, noise: Medians, generator: Generator, processes: int) -> np.ndarray:
    noises = np.array([np.median(noise(generator, SAMPLES)) for _ in range(processes)])
    return np.asarray(1e6 * np.exp(LUCK * luck(generator, processes) + NOISE * noises))


def _recorded(medians_ns: np.ndarray, generator: Generator, processes: int) -> np.ndarray:
    return generator.choice(medians_ns, processes)


def _normal(generator: Generator, count: int) -> np.ndarray:
    return generator.normal(size=count)


def _heavy(generator: Generator, count: int) -> np.ndarray:
    """Student's law with three degrees of freedom, of deviation 1."""
    return generator.standard_t(3, count) / np.sqrt(3)


def _spiky(generator: Generator, count: int) -> np.ndarray:
    """One in twenty takes as much as ten times longer."""
    return np.where(generator.random(count) < 0.05, generator.uniform(0, 23, count), generator.normal(size=count))


def _skewed(generator: Generator, count: int) -> np.ndarray:
    """One process in ten is slower by up to five deviations: what no few processes can tell."""
    return generator.normal(size=count) + np.where(generator.random(count) < 0.1, generator.uniform(0, 5, count), 0)


if __name__ == "__main__":
    main()
