"""Random networks through every target: how many come out right, are refused, or come out wrong without a word.

    python scripts/random_networks.py [--networks 2000] [--processes 2] [--json FILE] [--keep FOLDER]

Each network is built in Keras 2 or Keras 3 by turns, saved, and converted for every target as a user would convert it.
What was emitted is then run on inputs of another seed than the conversion's own, and compared with Keras:

- right: float files within 60 dB, the others within 10 dB or what their steps can tell, or with a warning;
- refused: an error of ours, which is counted by its first words;
- wrong: any other file; crash: any other exception.

Each process draws its share from a seed of its own. Counts are kept after each network, so that an interrupted run goes
on. Failing networks are written to FOLDER.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import traceback
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings

from edgecompress.child.kept import kept
from edgecompress.child.limits import die_with_parent
from edgecompress.convert.targets import Options, Target, parse_target
from edgecompress.devices.conditions import snapshot
from edgecompress.environment import load_tf_keras
from edgecompress.errors import EdgeCompressError
from edgecompress.formats.tflite.file import read_graph
from edgecompress.pipeline.convert import convert_file
from edgecompress.runs.versions import versions
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.runtimes.samples import run_samples
from edgecompress.storage import to_json, write_text
from edgecompress.testing.random_networks import Network, build, networks, samples
from edgecompress.values import Artifact

NAMES = (
    "tflite:float32", "tflite:float16", "tflite:dynamic", "tflite:int8", "tflite:int16x8", "onnx:float32", "onnx:int8",
)  # fmt: skip
TARGETS = tuple(map(parse_target, NAMES))
FLOAT_DB, INT8_DB, SAMPLES = 60.0, 10.0, 8
CALIBRATION = 200  # as by default: of a few, fresh inputs leave the ranges


def main() -> None:
    """Draw, convert, compare and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, default=Path("build/random_networks"))
    arguments = parser.parse_args()
    arguments.keep.mkdir(parents=True, exist_ok=True)
    share = -(-arguments.networks // arguments.processes)
    with ProcessPoolExecutor(arguments.processes, get_context("spawn"), initializer=die_with_parent) as pool:
        counted = list(pool.map(partial(count, share=share, keep=arguments.keep), range(arguments.processes)))
    drawn = sum(each["networks"] for each in counted)
    outcomes, refusals = (sum((Counter(each[of]) for each in counted), Counter()) for of in ("files", "refusals"))
    print(f"{drawn} networks: {dict(sum_by_outcome(outcomes))}")
    for words, times in refusals.most_common(40):
        print(f"{times:6} {words}")
    if arguments.json:
        result = {"networks": drawn, "files": outcomes, "refusals": dict(refusals.most_common())}
        write_text(arguments.json, to_json({**result, "versions": versions(), "machine": snapshot()}))


def count(seed_: int, share: int, keep: Path) -> dict[str, Any]:
    """Draw `share` networks from one seed; returns how many were drawn, and the counts of outcomes and refusals."""
    state = keep / f"counts-{seed_}.json"
    found = json.loads(state.read_text()) if state.exists() else {"networks": 0, "files": {}, "refusals": {}}
    outcomes: Counter[str] = Counter(found["files"])
    refusals: Counter[str] = Counter(found["refusals"])
    drawn = 0
    seen: set[Network] = set()

    @settings(max_examples=2 * share, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @seed(seed_)
    @given(networks())
    def each(network: Network) -> None:
        nonlocal drawn
        if network in seen or drawn >= share:  # hypothesis repeats itself
            return
        seen.add(network)
        drawn += 1
        if drawn <= found["networks"]:
            return
        for target, outcome, words in outcomes_of(network, drawn % 2 == 0):
            outcomes[f"{target} {outcome}"] += 1
            if outcome in ("refused", "not built"):
                refusals[words] += 1
            elif outcome != "right":
                failing = keep / f"{seed_}-{drawn}-{target.replace(':', '-')}-{outcome}.txt"
                failing.write_text(f"{network}\n{words}\n")
                print(f"{seed_}-{drawn} {target}: {outcome}: {words.strip().splitlines()[-1][:200]}", flush=True)
        state.write_text(json.dumps({"networks": drawn, "files": outcomes, "refusals": refusals}))
        if drawn % 50 == 0:
            print(seed_, drawn, dict(sum_by_outcome(outcomes)), flush=True)

    with kept():
        each()
    return json.loads(state.read_text())


def sum_by_outcome(outcomes: Counter[str]) -> Counter[str]:
    """Add the counts of all targets up."""
    total: Counter[str] = Counter()
    for name, count in outcomes.items():
        total[name.partition(" ")[2]] += count
    return total


def outcomes_of(network: Network, keras3: bool) -> list[tuple[str, str, str]]:
    """Return (target, outcome, words) for every target of a network."""
    keras2 = load_tf_keras()
    import keras

    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("model.keras" if keras3 else "model.h5")
        try:
            model = build(network, keras if keras3 else keras2)
            model.save(path)
        except (ValueError, TypeError) as error:  # Keras itself does not build or save it
            return [("model", "not built", str(error)[:200])]
        calibration = dict(zip(_names(model), samples(model, CALIBRATION, 1), strict=True))
        np.savez(Path(folder) / "calibration.npz", **calibration)
        fresh = samples(model, SAMPLES, 2)
        expected = model(fresh if len(fresh) > 1 else fresh[0], training=False)
        expected = [np.asarray(each) for each in (expected if isinstance(expected, list | tuple) else [expected])]
        try:  # all at once, as what they share is made once
            artifacts = _converted(path, TARGETS)
        except Exception:  # one of them is refused or worse: which is found one by one
            return [(str(target), *_one(path, target, fresh, expected)) for target in TARGETS]
        return [
            (str(each), *_judged(path, made, each, fresh, expected))
            for each, made in zip(TARGETS, artifacts, strict=True)
        ]


def _names(model: Any) -> list[str]:
    return [f"input_{place}" for place in range(len(model.inputs))]


def _converted(path: Path, targets: tuple[Target, ...]) -> tuple[Artifact, ...]:
    calibrate = f"npz:{path.parent / 'calibration.npz'}"
    return convert_file(path, targets, path.parent / "out", options=Options(), calibrate=calibrate)


def _one(path: Path, target: Target, fresh: list[np.ndarray], expected: list[np.ndarray]) -> tuple[str, str]:
    try:
        (artifact,) = _converted(path, (target,))
    except EdgeCompressError as error:
        return "crash" if "The process that converts" in error.message else "refused", _general(error.message)
    except Exception:
        return "crash", traceback.format_exc()
    return _judged(path, artifact, target, fresh, expected)


def _judged(
    path: Path, artifact: Artifact, target: Target, fresh: list[np.ndarray], expected: list[np.ndarray]
) -> tuple[str, str]:
    try:
        worst = _worst(path.parent / "out" / artifact.path, artifact, fresh, expected)
    except EdgeCompressError as error:
        return "wrong", f"runs no more: {error}"
    limit = FLOAT_DB if target.precision == "float32" else INT8_DB
    if worst >= limit or artifact.warnings:
        return "right", ""
    return "wrong", f"{worst:.1f} dB; {artifact.agreement}"


def _worst(path: Path, artifact: Artifact, fresh: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """The least signal-to-noise ratio of the outputs; an output within its resolution counts as right.

    Behind operators that have no int8 form an output is float, and yet no finer than the 255 steps in front of them.
    """
    with RuntimeProcess(path) as process:
        found = run_samples(process, fresh)
    step = _step(path) if path.suffix == ".tflite" else _step(path.with_suffix(".tflite"))
    least = np.inf
    for want, have in zip(expected, found, strict=True):
        noise = np.mean(np.square(want.astype(np.float64) - have))
        largest = np.abs(want).max()
        resolution = max(step, largest / 255) if ".int8" in path.name else step
        unseen = max(1.5 * resolution, 1e-5 * largest)
        if not np.isfinite(want).all() or np.abs(want - have).max() <= unseen:
            continue
        least = min(least, 10 * np.log10(max(np.var(want), 1e-300) / max(noise, 1e-300)))
    return float(least)


def _step(path: Path) -> float:
    """The largest scale of an output of a TFLite file; 0 of a float one."""
    if not path.exists() or ".int" not in path.name:
        return 0.0
    graph = read_graph(path)
    scales = [0.0]
    for index in graph.outputs:
        producer = graph.producers.get(index)
        inner = graph.tensors[producer.inputs[0] if producer and producer.kind == "DEQUANTIZE" else index]
        scales += inner.quant.scales if inner.quant else ()
    return max(scales)


def _general(message: str) -> str:
    """The message without what belongs to one network."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|\d+(\.\d+)?", "_", message.splitlines()[0])[:160]


if __name__ == "__main__":
    main()
