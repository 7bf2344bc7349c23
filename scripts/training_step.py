"""How long a training step takes: by our loop in Keras 3 and in Keras 2, and by either's `train_on_batch`, in turns.

The same network, images and optimizer; Keras 2's is the translation that TF-MOT is given. Version 0.1 trained by Keras
2's `train_on_batch`, to which the ratio is.

python scripts/training_step.py [--rounds 5] [--json models/training_step.json]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.devices.conditions import snapshot
from edgecompress.environment import keras_of, load_keras, load_tensorflow
from edgecompress.methods.protocol import Prepared
from edgecompress.runs.versions import versions
from edgecompress.storage import to_json, write_text
from edgecompress.tfmot.wrapping.translating import enter
from edgecompress.training.stepper import Stepper
from edgecompress.zoo import find

NETWORKS: dict[str, dict[str, Any]] = {
    "lenet_5": {"resolution": 28, "channels": 1},
    "mobilenet_v1": {"resolution": 32, "channels": 3, "width": 0.25},
    "squeezenet": {"resolution": 64, "channels": 3},
    "quicknet": {"resolution": 32, "channels": 3, "width": 0.5, "blocks": 2},
}
BATCH, STEPS, WARM_UP = 64, 20, 3

Step = Callable[[int], Any]


def main() -> None:
    """Print and write down the medians of each round's mean, and of the rounds' ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    load_tensorflow().config.experimental.enable_op_determinism()
    load_keras().utils.set_random_seed(0)
    found: dict[str, dict[str, float]] = {}
    for name, options in NETWORKS.items():
        steps = _steps(name, options)
        times: dict[str, list[float]] = {kind: [] for kind in steps}
        for _ in range(arguments.rounds):
            for kind, step in steps.items():
                times[kind].append(_mean_ms(step))
        medians = {kind: statistics.median(values) for kind, values in times.items()}
        ratios = np.divide(times["ours, Keras 3"], times["Keras 2"])
        found[name] = medians | {"ratio": statistics.median(ratios.tolist())}
        print(f"{name}: " + ", ".join(f"{kind} {value:.2f}" for kind, value in found[name].items()), flush=True)
    if arguments.json:
        about = {"batch": BATCH, "steps": STEPS, "versions": versions(), "machine": snapshot()}
        write_text(arguments.json, to_json({"step_ms": found} | about))


def _steps(name: str, options: dict[str, Any]) -> dict[str, Step]:
    """Each a function of how many steps are done."""
    generator = np.random.default_rng(0)
    shape = (BATCH, options["resolution"], options["resolution"], options["channels"])
    images, labels = generator.normal(size=shape).astype(np.float32), np.arange(BATCH) % 10

    def network() -> Any:
        return find(name).build(classes=10, **options)

    def translated() -> Any:
        return enter(network(), method="this script")

    models = {"ours, Keras 3": network(), "ours, Keras 2": translated()}
    theirs = {"Keras 3": network(), "Keras 2": translated()}
    for model in theirs.values():
        adam = keras_of(model).optimizers.Adam()
        model.compile(adam, "sparse_categorical_crossentropy", metrics=["accuracy"])
    ours = {kind: Stepper(Prepared(model, model)) for kind, model in models.items()}
    steps: dict[str, Step] = {
        kind: lambda done, stepper=stepper: stepper.step((images,), labels, done=done, learning_rate=1e-3)
        for kind, stepper in ours.items()
    }
    return steps | {
        kind: lambda done, model=model: model.train_on_batch(images, labels) for kind, model in theirs.items()
    }


def _mean_ms(step: Step) -> float:
    for done in range(WARM_UP):
        step(done)
    begin = time.perf_counter()
    for done in range(STEPS):
        step(done)
    return 1e3 * (time.perf_counter() - begin) / STEPS


if __name__ == "__main__":
    main()
