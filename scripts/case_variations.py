"""Variations of networks that conversion once got wrong: how many come out right, are refused in words, or do not.

    python scripts/case_variations.py [--only 02] [--processes 2] [--json models/case_variations.json]

The tables in `scripts/variations` hold layers, where they stand, both Keras, and what is done to files. Each network is
saved and converted for every target as a user would, with float and with integer inputs and outputs, and what was
emitted is run by LiteRT's and ONNX Runtime's own interfaces on fresh inputs and compared with Keras. Counted are files:

- right: float32 files within 60 dB, float16 within 40 dB, the others within 10 dB or 2 % of their largest output;
- right, with a warning: further off, and the conversion says so;
- refused: an error that names the layer or operation, in whole sentences, and leaves nothing behind;
- wrong, crash, left behind, refusal that names no layer, refusal that is no sentence: what has to stay at 0.

Outcomes are kept one a line in FOLDER, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from itertools import zip_longest
from multiprocessing import get_context
from pathlib import Path

from variations import TABLES
from variations.judging import Judge
from variations.variation import Variation

from edgecompress.child.kept import kept
from edgecompress.child.limits import die_with_parent
from edgecompress.devices.conditions import snapshot
from edgecompress.runs.versions import versions
from edgecompress.storage import to_json, write_text

GOOD = ("right", "right, with a warning", "refused", "not built", "not made")


def main() -> None:
    """Convert, compare, count and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="cases or variations that hold this")
    parser.add_argument("--processes", type=int, default=2, help="0 counts what was judged before")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, default=Path("build/case_variations"))
    arguments = parser.parse_args()
    arguments.keep.mkdir(parents=True, exist_ok=True)
    work = partial(judge, only=arguments.only, keep=arguments.keep, processes=arguments.processes)
    if arguments.processes:
        with ProcessPoolExecutor(arguments.processes, get_context("spawn"), initializer=die_with_parent) as pool:
            list(pool.map(work, range(arguments.processes)))
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    networks: Counter[str] = Counter()
    bad: list[str] = []
    done = _done(arguments.keep)
    for variation in _chosen(arguments.only):
        networks[variation.case] += _key(variation) in done
        for target, outcome, words in done.get(_key(variation), ()):
            counts[variation.case][outcome] += 1
            if outcome not in GOOD:
                bad.append(f"{outcome}: {_key(variation)}: {target}: {words}")
    for line in bad:
        print(line[:600])
    for case, counted in sorted(counts.items()):
        print(
            f"{case}: {networks[case]} networks;", ", ".join(f"{many} {what}" for what, many in counted.most_common())
        )
    print("reached" if not bad else "NOT REACHED")
    if arguments.json:
        result = {"networks": networks, "files": counts, "bad": bad}
        write_text(arguments.json, to_json({**result, "versions": versions(), "machine": snapshot()}))


def judge(place: int, *, only: str, keep: Path, processes: int) -> None:
    """Judge every `processes`-th variation that is not judged yet."""
    done = _done(keep)
    share = [each for each in _by_turns(only)[place::processes] if _key(each) not in done]
    with kept(), closing(Judge()) as judging, (keep / f"outcomes-{place}.jsonl").open("a") as file:
        for variation in share:
            outcomes = list(judging.outcomes(variation))
            file.write(json.dumps({"variation": _key(variation), "outcomes": outcomes}) + "\n")
            file.flush()
            for target, outcome, words in outcomes:
                if outcome not in GOOD:
                    print(f"{outcome}: {_key(variation)}: {target}: {words[-500:]}", flush=True)


def _chosen(only: str) -> Iterator[Variation]:
    for each in (variation for table in TABLES for variation in table.variations()):
        if only in _key(each):
            yield each


def _by_turns(only: str) -> list[Variation]:
    """One of each case, a second of each, and so on: an interrupted run has seen as much of every case."""
    cases: dict[str, list[Variation]] = defaultdict(list)
    for variation in _chosen(only):
        cases[variation.case].append(variation)
    for of_case in cases.values():
        random.Random(0).shuffle(of_case)
    return [each for turn in zip_longest(*cases.values()) for each in turn if each is not None]


def _key(variation: Variation) -> str:
    return f"{variation.case}, Keras {variation.keras}, .{variation.ending}, {variation.name}"


def _done(keep: Path) -> dict[str, list[tuple[str, str, str]]]:
    found = {}
    for path in sorted(keep.glob("outcomes-*.jsonl")):
        for line in path.read_text().splitlines():
            stored = json.loads(line)
            found[stored["variation"]] = [tuple(each) for each in stored["outcomes"]]
    return found


if __name__ == "__main__":
    main()
