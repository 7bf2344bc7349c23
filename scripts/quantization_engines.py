"""Native quantization-aware training beside TF-MOT's, and in few bits: accuracy, argmax of the files, time of a step.

    python scripts/quantization_engines.py RUN [--ways native,tf-mot,4,3,2] [--seeds 3] [--epochs 2] [--json FILE]

RUN is a finished run on a public data set; its dense network is trained on by each engine with each seed. The int8 file
of each is compared with the model with fake quantization that it was made of, on all test images. What is done is kept
in build/, a line each, so that an interrupted call goes on. The difference of accuracies is of pairs with one seed. A
number is one of bits of all weights; what these cost is below the network that they began with, on the same images.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.convert.conversion import convert
from edgecompress.convert.making import Source
from edgecompress.convert.targets import Target
from edgecompress.data.intake import fitted, model_inputs
from edgecompress.devices.conditions import snapshot
from edgecompress.environment import load_keras
from edgecompress.loading import load_model
from edgecompress.methods.compress import compress
from edgecompress.methods.protocol import Prepared
from edgecompress.methods.quantization import QuantizationAwareTraining
from edgecompress.methods.step import Stage
from edgecompress.numerics.student import half_width
from edgecompress.pipeline.train import load_for
from edgecompress.recipes import load_recipe
from edgecompress.runs.folder import RunFolder
from edgecompress.runs.versions import versions
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.runtimes.samples import run_samples
from edgecompress.storage import to_json, write_text
from edgecompress.tasks import ONE_CLASS
from edgecompress.tfmot.native import native
from edgecompress.training.batches import TrainingData, steps_per_epoch, training_data
from edgecompress.training.fit import Training, fit

ENGINES = ("native", "tf-mot")
MOST_LOST_OF_BITS = {"4": 1.5}  # points of accuracy below the dense network
RATE, BATCH, WARM_UP = 1e-3, 128, 0.5
MOST_LOST, MOST_TIME, LEAST_EQUAL = 0.2, 1.1, 99.0  # points of accuracy, times TF-MOT's step, percent


@dataclass
class Trainer:
    """Trains the one stage, with a seed."""

    data: TrainingData
    seed: int
    epochs: int
    folder: Path
    seconds: float = 0.0

    def optimizer_steps(self, stage: Stage) -> int:
        """Return how many steps there are."""
        return self.epochs * steps_per_epoch(len(self.data.labels), BATCH)

    def samples(self, count: int) -> tuple[np.ndarray, ...]:
        """Return training images by lot."""
        chosen = np.random.default_rng(self.seed).permutation(len(self.data.labels))[:count]
        return model_inputs(self.data.samples[chosen], self.data.intake)

    def train(self, index: int, stage: Stage, prepared: Prepared) -> None:
        """Train, and say how long it took."""
        training = Training(stage.name, self.epochs, BATCH, RATE, WARM_UP, self.seed)
        began = time.monotonic()
        fit(prepared, self.data, training, self.folder, on_epoch=lambda history: None)
        self.seconds = time.monotonic() - began


def main() -> None:
    """Train what was not trained yet, compare, print and write down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--ways", default=",".join(ENGINES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    kept = Path("build/quantization_engines") / f"{arguments.run.name}-{arguments.epochs}.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    done = {(row["seed"], row["engine"]) for row in rows}
    ways = tuple(arguments.ways.split(","))
    for seed in range(arguments.seeds):
        for engine in ways if seed % 2 else ways[::-1]:  # by turns, as machines get slower and faster
            if (seed, engine) not in done:
                rows.append(_trained(arguments.run, engine, seed, arguments.epochs, kept.parent))
                with kept.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
                print(rows[-1], flush=True)
    rows = [row for row in rows if row["seed"] < arguments.seeds and row["engine"] in ways]
    found = {"engines": _summary(rows)} if set(ENGINES) <= set(ways) else {}
    found["bits"] = {way: _cost(way, [row for row in rows if row["engine"] == way]) for way in ways if way.isdigit()}
    print(json.dumps(found, indent=2))
    if arguments.json:
        about = {"epochs": arguments.epochs, "versions": versions(), "machine": snapshot()}
        write_text(arguments.json, to_json({"rows": rows, **found, **about}))


def _trained(run: Path, engine: Any, seed: int, epochs: int, folder: Path) -> dict[str, Any]:
    load_keras().utils.clear_session(free_memory=False)
    preprocessing = RunFolder(run).intake()
    dataset = load_for(load_recipe(run / "recipe.toml"), preprocessing, ONE_CLASS)
    data = training_data(dataset.train, preprocessing, names=dataset.labels, seed=0)
    trainer = Trainer(data, seed, epochs, folder / f"{run.name}-{engine}-{seed}-{epochs}")
    method = QuantizationAwareTraining(**({"bits": int(engine)} if engine.isdigit() else {"engine": engine}))
    dense = load_model(RunFolder(run).model("dense"))
    outcome = compress(dense, method, trainer)
    (inputs,), labels = model_inputs(fitted(dataset.test.images, preprocessing), preprocessing), dataset.test.labels
    parts = [inputs[start : start + 250] for start in range(0, len(inputs), 250)]
    began = np.concatenate([native(dense).compute([part])[0] for part in parts]).argmax(1)
    model = native(outcome.quantized)
    expected = np.concatenate([model.compute([part])[0] for part in parts]).argmax(1)
    source = Source("compressed", outcome.model, str(run), quantized=outcome.quantized)
    (artifact,) = convert(source, (Target("tflite", "int8"),), trainer.folder)
    with RuntimeProcess(artifact.path) as process:
        outputs = np.concatenate([run_samples(process, [part])[0] for part in parts]).argmax(1)
    steps = epochs * steps_per_epoch(len(data.labels), BATCH)
    return {
        "seed": seed,
        "engine": engine,
        "dense_percent": 100 * float((began == labels).mean()),
        "model_percent": 100 * float((expected == labels).mean()),
        "file_percent": 100 * float((outputs == labels).mean()),
        "equal_argmax_percent": 100 * float((outputs == expected).mean()),
        "float_layers": len(artifact.float_layers),
        "step_ms": 1000 * trainer.seconds / steps,
    }


def _cost(way: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What weights of few bits cost, and whether that is in the limit."""
    lost = [row["dense_percent"] - row["file_percent"] for row in rows]
    mean, half = statistics.mean(lost), half_width(lost) if len(lost) > 1 else float("nan")
    limit = MOST_LOST_OF_BITS.get(way)
    verdict = "no limit" if limit is None else "reached" if mean <= limit else "not reached"
    equal = min(row["equal_argmax_percent"] for row in rows)
    return {"lost_points": mean, "half_width": half, "least_equal_argmax_percent": equal, "accuracy": verdict}


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The differences of pairs, and whether each target is reached, or cannot be told."""
    by = {(row["seed"], row["engine"]): row for row in rows if row["engine"] in ENGINES}
    pairs = [(by[seed, ENGINES[0]], by[seed, ENGINES[1]]) for seed in sorted({row["seed"] for row in rows})]
    differences = [ours["file_percent"] - theirs["file_percent"] for ours, theirs in pairs]
    mean, half = statistics.mean(differences), half_width(differences)
    equal = min(ours["equal_argmax_percent"] for ours, _ in pairs)
    ratio = statistics.median(ours["step_ms"] / theirs["step_ms"] for ours, theirs in pairs)
    accuracy = "reached" if mean - half >= -MOST_LOST else "not reached" if mean + half < -MOST_LOST else "cannot tell"
    return {
        "difference_points": {"mean": mean, "half_width": half},
        "least_equal_argmax_percent": equal,
        "step_ratio": ratio,
        "accuracy": accuracy,
        "argmax": "reached" if equal >= LEAST_EQUAL else "not reached",
        "time": "reached" if ratio <= MOST_TIME else "not reached",
    }


if __name__ == "__main__":
    main()
