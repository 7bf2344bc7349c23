"""Models that Keras brings, as a user's own: native quantization-aware training, alone and after pruning by 80 %.

    python scripts/own_models.py [--networks mobilenet_v3_small,efficientnet_b0] [--json models/own_models.json]

Each is trained on Fashion-MNIST at 32 x 32 pixels without weights of ImageNet, and is from then on a file that somebody
brings: trained no further, pruned and quantized by chains of methods, converted, and verified on all test images. What
is done is kept in build/own_models, a run folder a chain, so that an interrupted call goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from edgecompress.cli.output import print_table, progress_bars
from edgecompress.convert.targets import Options, parse_target
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
from edgecompress.storage import to_json, write_text

NETWORKS = {"mobilenet_v3_small": "MobileNetV3Small", "efficientnet_b0": "EfficientNetB0"}
SIDE = 32
MOMENTUM = 0.9  # of batch norms: by Keras's 0.999 a training this short leaves them near where they began
DENSE = {"epochs": 6, "learning_rate": 2e-3}
RATE = 1e-3
QUANTIZE = {"method": "quantization_aware_training", "epochs": 2, "learning_rate": RATE}
PRUNE = {"method": "magnitude_pruning", "epochs": 4, "learning_rate": RATE, "options": {"sparsity": 0.8}}
CHAINS = {"QAT": [QUANTIZE], "80 % pruned, QAT": [PRUNE, QUANTIZE]}
MOST_LOST = {"QAT": 0.7, "80 % pruned, QAT": 1.2}  # percentage points
LEAST_EQUAL = 99.0  # percent of images


def main() -> None:
    """Train what was not trained yet, convert, verify, print and write down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    folder = Path("build/own_models")
    rows = []
    for name in arguments.networks.split(","):
        dense = _run(folder / f"{name}-{arguments.seed}", _built(folder, name), DENSE, [], arguments.seed)
        for chain, steps in CHAINS.items():
            place = folder / f"{name}-{len(steps)}-{arguments.seed}"
            run = _run(place, dense.model("dense"), {"epochs": 0}, steps, arguments.seed)
            rows.append({"network": name, "chain": chain, "seed": arguments.seed, **_verified(run)})
    columns = ["network", "chain", "dense %", "int8 %", "drop", "float operators", "argmax as trained %", ""]
    print_table("Models that Keras brings, int8 by native quantization-aware training", columns, list(map(_row, rows)))
    if arguments.json:
        write_text(arguments.json, to_json({"rows": rows, "versions": versions(), "machine": snapshot()}))


def _built(folder: Path, name: str) -> Path:
    path = folder / f"{name}.keras"
    if not path.exists():
        keras = load_keras()
        keras.utils.set_random_seed(0)
        folder.mkdir(parents=True, exist_ok=True)
        model = getattr(keras.applications, NETWORKS[name])(weights=None, input_shape=(SIDE, SIDE, 3), classes=10)
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = MOMENTUM
        model.save(path)
    return path


def _run(folder: Path, model: Path, training: dict[str, Any], steps: list[dict[str, Any]], seed: int) -> RunFolder:
    recipe: Recipe = pinned(
        build_recipe(
            {
                "model": {"file": str(model)},
                "data": {"name": "fashion_mnist"},
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
        "equal_argmax": check.keras_agreement,
        "size_bytes": artifact.size_bytes,
    }


def _row(row: dict[str, Any]) -> list[str]:
    drop = row["drop"]
    reached = (
        drop.points <= MOST_LOST[row["chain"]] and row["equal_argmax"] >= LEAST_EQUAL and not row["float_operators"]
    )
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
