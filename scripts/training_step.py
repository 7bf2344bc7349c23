"""How long a training step takes in Keras 3, in Keras 2, and in Keras 3's own `train_on_batch`, in turns.

The same network, images and loop; Keras 2's is the translation that TF-MOT would be given.

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
from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.methods.protocol import Prepared
from edgecompress.runs import versions
from edgecompress.storage import to_json, write_text
from edgecompress.tfmot.door import enter
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
    """Print and write down the medians of each round's mean, and their ratios to Keras 2's."""
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
        found[name] = medians | {"ratio": statistics.median(np.divide(times["Keras 3"], times["Keras 2"]).tolist())}
        print(f"{name}: " + ", ".join(f"{kind} {value:.2f}" for kind, value in found[name].items()), flush=True)
    if arguments.json:
        about = {"batch": BATCH, "steps": STEPS, "versions": versions(), "machine": snapshot()}
        write_text(arguments.json, to_json({"step_ms": found} | about))


def _steps(name: str, options: dict[str, Any]) -> dict[str, Step]:
    """Each a function of how many steps are done."""
    keras, generator = load_keras(), np.random.default_rng(0)
    shape = (BATCH, options["resolution"], options["resolution"], options["channels"])
    images, labels = generator.normal(size=shape).astype(np.float32), np.arange(BATCH) % 10

    def network() -> Any:
        return find(name).build(classes=10, **options)

    model, twin, own = network(), enter(network(), method="this script"), network()
    own.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    ours = {"Keras 3": Stepper(Prepared(model, model)), "Keras 2": Stepper(Prepared(twin, twin))}
    steps: dict[str, Step] = {
        kind: lambda done, stepper=stepper: stepper.step(images, labels, done=done, learning_rate=1e-3)
        for kind, stepper in ours.items()
    }
    return steps | {"train_on_batch": lambda done: own.train_on_batch(images, labels)}


def _mean_ms(step: Step) -> float:
    for done in range(WARM_UP):
        step(done)
    begin = time.perf_counter()
    for done in range(STEPS):
        step(done)
    return 1e3 * (time.perf_counter() - begin) / STEPS


if __name__ == "__main__":
    main()
