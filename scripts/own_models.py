"""Models of Keras's own layers, as a user's own: native quantization-aware training, alone and after pruning by 80 %.

    python scripts/own_models.py [--networks mobilenet_v3_small,lstm] [--json models/own_models.json]

Each is trained on Fashion-MNIST without weights of ImageNet, and is from then on a file that somebody brings: trained
no further, pruned and quantized by chains of methods, converted, and verified on all test images. Those of Keras's
applications take 32 x 32 pixels; a long short-term memory and a transformer take the rows of an image one after
another, as arrays. What is done is kept in build/own_models, a run folder a chain, so that an interrupted call goes on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.cli.output import print_table, progress_bars
from edgecompress.convert.targets import Options, parse_target
from edgecompress.data import load
from edgecompress.devices.conditions import snapshot
from edgecompress.environment import load_keras
from edgecompress.pipeline.claim import held_recipe, same
from edgecompress.pipeline.convert import convert_run
from edgecompress.pipeline.networks.of_recipe import pinned
from edgecompress.pipeline.train import train
from edgecompress.pipeline.verify import verify_run
from edgecompress.recipes import Recipe, build_recipe
from edgecompress.runs.folder import RunFolder
from edgecompress.runs.versions import versions
from edgecompress.storage import to_json, write_text, written_whole

APPLICATIONS = {"mobilenet_v3_small": "MobileNetV3Small", "efficientnet_b0": "EfficientNetB0"}
SEQUENCES = ("lstm", "transformer")
SIDE, ROWS = 32, 28
MOMENTUM = 0.9  # of batch norms: by Keras's 0.999 a training this short leaves them near where they began
DENSE = {"epochs": 6, "learning_rate": 2e-3}
RATE = 1e-3
QUANTIZE = {"method": "quantization_aware_training", "epochs": 2, "learning_rate": RATE}
PRUNE = {"method": "magnitude_pruning", "epochs": 4, "learning_rate": RATE, "options": {"sparsity": 0.8}}
CHAINS = {"QAT": [QUANTIZE], "80 % pruned, QAT": [PRUNE, QUANTIZE]}
MOST_LOST = {"QAT": 0.7, "80 % pruned, QAT": 1.2}  # percentage points
MOST_LOST_OF_SEQUENCES = 1.0
LEAST_EQUAL = 99.0  # percent of images


def main() -> None:
    """Train what was not trained yet, convert, verify, print and write down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", default=",".join((*APPLICATIONS, *SEQUENCES)))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    folder = Path("build/own_models")
    rows = []
    for name in arguments.networks.split(","):
        data = _rows(folder) if name in SEQUENCES else "fashion_mnist"
        dense = _run(folder / f"{name}-{arguments.seed}", _built(folder, name), data, DENSE, [], arguments.seed)
        for chain, steps in CHAINS.items():
            if name in SEQUENCES and len(steps) > 1:
                continue
            place = folder / f"{name}-{len(steps)}-{arguments.seed}"
            run = _run(place, dense.model("dense"), data, {"epochs": 0}, steps, arguments.seed)
            rows.append({"network": name, "chain": chain, "seed": arguments.seed, **_verified(run)})
    columns = ["network", "chain", "dense %", "int8 %", "drop", "float operators", "argmax as trained %", ""]
    print_table("Models that Keras brings, int8 by native quantization-aware training", columns, list(map(_row, rows)))
    if arguments.json:
        earlier = json.loads(arguments.json.read_text())["rows"] if arguments.json.exists() else []
        fresh = {(row["network"], row["chain"], row["seed"]) for row in rows}
        kept = [row for row in earlier if (row["network"], row["chain"], row["seed"]) not in fresh]
        write_text(arguments.json, to_json({"rows": kept + rows, "versions": versions(), "machine": snapshot()}))


def _built(folder: Path, name: str) -> Path:
    path = folder / f"{name}.keras"
    if not path.exists():
        keras = load_keras()
        keras.utils.set_random_seed(0)
        folder.mkdir(parents=True, exist_ok=True)
        if name in SEQUENCES:
            model = {"lstm": _lstm, "transformer": _transformer}[name](keras)
        else:
            application = getattr(keras.applications, APPLICATIONS[name])
            model = application(weights=None, input_shape=(SIDE, SIDE, 3), classes=10)
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = MOMENTUM
        model.save(path)
    return path


def _lstm(keras: Any) -> Any:
    rows = keras.Input((ROWS, ROWS), name="rows")
    x = keras.layers.LSTM(64, name="lstm")(rows)
    return keras.Model(rows, keras.layers.Dense(10, activation="softmax", name="classes")(x), name="lstm")


def _transformer(keras: Any) -> Any:
    """Two blocks of four heads, normalized behind each sum; the order of rows is told by the last layer's weights."""
    layers = keras.layers
    rows = keras.Input((ROWS, ROWS), name="rows")
    x = layers.Dense(64, name="embedding")(rows)
    for block in range(2):
        attended = layers.MultiHeadAttention(4, 16, name=f"attention_{block}")(x, x)
        x = layers.LayerNormalization(name=f"norm_{block}_attention")(layers.Add(name=f"sum_{block}")([x, attended]))
        wide = layers.Dense(128, activation="relu", name=f"wide_{block}")(x)
        narrow = layers.Dense(64, name=f"narrow_{block}")(wide)
        x = layers.LayerNormalization(name=f"norm_{block}")(layers.Add(name=f"second_sum_{block}")([x, narrow]))
    x = layers.Flatten(name="flat")(x)
    return keras.Model(rows, layers.Dense(10, activation="softmax", name="classes")(x), name="transformer")


def _rows(folder: Path) -> str:
    """Write the images as rows of numbers in 0..1, once."""
    path = folder / "rows.npz"
    if not path.exists():
        dataset = load("fashion_mnist")
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {}
        for part, split in (("train", dataset.train), ("test", dataset.test)):
            arrays[f"x_{part}"] = split.images[:][..., 0].astype(np.float32) / 255
            arrays[f"y_{part}"] = split.labels
        with written_whole(path) as beside, beside.open("wb") as file:
            np.savez(file, **arrays)
    return f"npz:{path}"


def _run(
    folder: Path, model: Path, data: str, training: dict[str, Any], steps: list[dict[str, Any]], seed: int
) -> RunFolder:
    recipe: Recipe = pinned(
        build_recipe(
            {
                "model": {"file": str(model)},
                "data": {"name": data},
                "train": {**training, "seed": seed},
                "compress": steps,
            }
        )
    )
    run = RunFolder(folder)
    held = held_recipe(run)
    if held is None or not same(held, recipe) or not run.has("preprocessing"):
        with progress_bars() as progress:
            train(recipe, folder, resume=held is not None, on_progress=progress, tell=progress.tell)
    return run


def _verified(run: RunFolder) -> dict[str, Any]:
    (artifact,) = convert_run(run, (parse_target("tflite:int8"),), options=Options(), variants=("compressed",))
    found = verify_run(run)
    (check,) = found.artifacts
    return {
        "dense": found.keras["dense"],
        "int8": check.accuracy,
        "drop": check.paired,
        "float_operators": len(artifact.float_layers),
        "float_kinds": sorted({note.reason.split()[0] for note in artifact.float_layers}),
        "equal_argmax": check.keras_agreement,
        "size_bytes": artifact.size_bytes,
    }


def _row(row: dict[str, Any]) -> list[str]:
    drop = row["drop"]
    if row["network"] in SEQUENCES:  # what LiteRT has no int8 form of is named
        reached = drop.points <= MOST_LOST_OF_SEQUENCES
    else:
        equal = row["equal_argmax"] >= LEAST_EQUAL
        reached = drop.points <= MOST_LOST[row["chain"]] and equal and not row["float_operators"]
    return [
        row["network"],
        row["chain"],
        f"{row['dense'].percent:.2f}",
        f"{row['int8'].percent:.2f}",
        f"{drop.points:+.2f} ({drop.low:+.2f} to {drop.high:+.2f})",
        str(row["float_operators"]),
        f"{row['equal_argmax']:.2f}",
        "reached" if reached else "NOT REACHED",
    ]


if __name__ == "__main__":
    main()
