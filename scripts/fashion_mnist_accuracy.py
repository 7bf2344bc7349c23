"""Accuracy and size of MobileNetV1 0.25/32 on Fashion-MNIST: dense, int8, and 80 % pruned and quantization-aware.

    python scripts/fashion_mnist_accuracy.py [--run runs/fashion_mnist] [--json models/mobilenet_v1/results.json]

Does what the recipe says (or goes on with the run, or takes a finished one), trains the same network once more with
plain Keras `model.fit` and the same schedule, and prints each figure beside what it must reach.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.cli.output import progress_bars
from edgecompress.data.preprocessing import fit_pixels, scale_pixels
from edgecompress.devices.conditions import snapshot
from edgecompress.environment import load_keras
from edgecompress.formats.sizes import compressed_sizes
from edgecompress.pipeline.networks.opened import open_data
from edgecompress.pipeline.run import run_recipe
from edgecompress.recipes import Recipe, load_recipe
from edgecompress.runs.versions import versions
from edgecompress.storage import from_json, to_json, write_text
from edgecompress.training.batches import training_data
from edgecompress.training.schedule import cosine_with_warmup
from edgecompress.verification import Accuracy, accuracy
from edgecompress.zoo import find

RECIPE = Path(__file__).parents[1] / "models/mobilenet_v1/recipes/fashion_mnist.toml"


def main() -> None:
    """Run the recipe and the plain Keras training, print the table, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("runs/fashion_mnist"))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    recipe = load_recipe(RECIPE)
    with progress_bars() as progress:
        run, verification, _ = run_recipe(recipe, arguments.run, resume=True, on_progress=progress)
    plain, other = (_kept(arguments.run / f"plain_keras_{offset}.json", recipe, offset) for offset in (0, 1))
    found = {check.artifact: check.accuracy.percent for check in verification.artifacts}
    sizes = {artifact.path: compressed_sizes(run.artifact_path(artifact)) for artifact in run.read_artifacts()}
    float32, int8 = found["artifacts/dense.float32.tflite"], found["artifacts/dense.int8.tflite"]
    compressed = found["artifacts/compressed.int8.tflite"]
    share = sizes["artifacts/compressed.int8.tflite"].zstd_bytes / sizes["artifacts/dense.int8.tflite"].zstd_bytes
    targets = [
        ("float32 against plain Keras, pp", float32 - plain.percent, abs(float32 - plain.percent) <= 0.3),
        ("int8 against float32, pp", int8 - float32, float32 - int8 <= 0.5),
        ("80 % pruned + QAT int8 against float32, pp", compressed - float32, float32 - compressed <= 1.0),
        ("pruned + QAT zstd over int8 zstd", share, share <= 0.45),
    ]
    print(
        f"plain Keras {plain.percent:.2f} %; with another seed, and so another order of images, {other.percent:.2f} %"
    )
    for name, percent in found.items():
        size = sizes[name]
        print(f"{name:42} {percent:6.2f} %  {size.raw_bytes:8} B raw  {size.zstd_bytes:8} B zstd")
    for name, value, reached in targets:
        print(f"{name:44} {value:+.3f}  {'reached' if reached else 'NOT REACHED'}")
    if arguments.json:
        write_text(
            arguments.json,
            to_json(
                {
                    "recipe": RECIPE.name,
                    "plain_keras": plain,
                    "plain_keras_other_seed": other,
                    "verification": verification,
                    "sizes": sizes,
                    "targets": [{"name": name, "value": value, "reached": reached} for name, value, reached in targets],
                    "latency": [
                        {"artifact": m.artifact, "threads": m.threads, "runtime": m.runtime, "steady": m.steady}
                        for m in run.read_measurements()
                        if (m.artifact, m.sha256) in {(each.path, each.sha256) for each in run.read_artifacts()}
                    ],
                    "versions": versions(),
                    "machine": snapshot(),
                }
            ),
        )


def _kept(path: Path, recipe: Recipe, seed_offset: int) -> Accuracy:
    """Return what an earlier call measured, or measure and keep it."""
    if not path.exists():
        write_text(path, to_json(plain_keras(recipe, seed_offset)))
    return from_json(Accuracy, path)


def plain_keras(recipe: Recipe, seed_offset: int) -> Accuracy:
    """Train the recipe's dense network with `model.fit`: same images, same learning rates.

    With offset 0 the seed, and so the first weights and the order of the images, are the recipe's too; what differs
    then is the fit loop alone. Another offset shows how far two seeds are apart.
    """
    keras = load_keras()
    seed = recipe.train.seed + seed_offset
    opened = open_data(recipe)
    dataset, preprocessing = opened.dataset, opened.intake
    data = training_data(dataset.train, preprocessing, names=dataset.labels, seed=recipe.train.seed)
    keras.utils.set_random_seed(seed)
    model = find(recipe.model.architecture).build(
        resolution=preprocessing.height,
        channels=preprocessing.channels,
        classes=len(dataset.labels),
        **recipe.model.options,
    )
    train = recipe.train
    steps = -(-len(data.labels) // train.batch_size)

    class Batches(keras.utils.PyDataset):
        epoch = 0

        def __len__(self) -> int:
            return steps

        def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            order = np.random.default_rng((seed, self.epoch)).permutation(len(data.labels))
            chosen = order[index * train.batch_size : (index + 1) * train.batch_size]
            return scale_pixels(data.samples[chosen], preprocessing), data.labels[chosen]

        def on_epoch_end(self) -> None:
            self.epoch += 1

    class Schedule(keras.callbacks.Callback):
        step = 0

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            rate = cosine_with_warmup(
                self.step,
                steps=train.epochs * steps,
                warmup_steps=round(train.warmup_epochs * steps),
                peak=train.learning_rate,
            )
            self.model.optimizer.learning_rate.assign(rate)
            self.step += 1

    model.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(Batches(workers=1), epochs=train.epochs, callbacks=[Schedule()], shuffle=False, verbose=2)
    tests = scale_pixels(fit_pixels(dataset.test.images, preprocessing), preprocessing)
    return accuracy(np.asarray(model.predict(tests, batch_size=256, verbose=0)), dataset.test.labels)


if __name__ == "__main__":
    main()
