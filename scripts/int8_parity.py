"""Whether the int8 ONNX file computes what the int8 TFLite file does, over 1,000 real images.

    python scripts/int8_parity.py [--epochs 1] [--json models/int8_parity.json]

MobileNetV1 0.25 and SqueezeNet 1.1 are trained on Fashion-MNIST for a few epochs, so that activations are realistic,
and converted after training; MobileNetV1 also after quantization-aware training, which takes another route to int8.
LiteRT's families of kernels round in different places: each computes the TFLite file, against the ONNX file and against
LiteRT's own choice, XNNPACK.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from edgecompress.cli.output import progress_bars
from edgecompress.convert.targets import Options, parse_target
from edgecompress.devices.conditions import snapshot
from edgecompress.pipeline.convert import convert_run
from edgecompress.pipeline.train import train
from edgecompress.pipeline.verify import verify_run
from edgecompress.recipes import build_recipe
from edgecompress.runs.versions import versions
from edgecompress.runtimes.engines.session import KERNELS
from edgecompress.storage import to_json, write_text

IMAGES = 1000
NETWORKS = (
    {"architecture": "mobilenet_v1", "resolution": 32, "options": {"width": 0.25, "stem_stride": 1}},
    {"architecture": "squeezenet", "resolution": 40, "options": {"version": "1.1"}},
)
RATES = {"mobilenet_v1": 2e-3, "squeezenet": 4e-4}  # SqueezeNet has no batch norm


def main() -> None:
    """Train, convert, compare, and print a row a network and variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found, families = [], []
    for network in NETWORKS:
        name = network["architecture"]
        recipe = build_recipe(
            {
                "model": network,
                "data": {"name": "fashion_mnist"},
                "train": {"epochs": arguments.epochs, "learning_rate": RATES[name]},
                "compress": [{"method": "quantization_aware_training", "epochs": 1, "learning_rate": RATES[name] / 4}],
            }
        )
        with tempfile.TemporaryDirectory() as folder, progress_bars() as progress:
            run = train(recipe, Path(folder) / "run", on_progress=progress)
            targets = (parse_target("tflite:int8"), parse_target("onnx:int8"))
            convert_run(run, targets, options=Options(), on_progress=progress)
            verification = verify_run(run, limit=IMAGES, kernels=KERNELS, on_progress=progress)
        accuracy = {check.variant: check.accuracy.percent for check in verification.artifacts}
        for parity in verification.parity:
            print(
                f"{name:14} {parity.variant:11} ONNX against TFLite by {parity.kernels:9} accuracy "
                f"{accuracy[parity.variant]:.1f} %, outputs equal {parity.equal_outputs:.3f} %, "
                f"largest {parity.largest_steps:g} steps, argmax equal {parity.equal_argmax:.2f} %",
                flush=True,
            )
            found.append({"network": network, "accuracy": accuracy[parity.variant], "parity": parity})
        for check in verification.kernels:
            print(
                f"{name:14} {check.artifact}: {check.kernels} against xnnpack {check.largest_steps:g} steps, accuracy "
                f"{check.accuracy.percent:.1f} %, lower by {check.drop.points:.2f} points "
                f"({check.drop.low:.2f} to {check.drop.high:.2f})",
                flush=True,
            )
        families += [{"network": network, "check": check} for check in verification.kernels]
    if arguments.json:
        write_text(
            arguments.json,
            to_json(
                {
                    "images": IMAGES,
                    "results": found,
                    "families": families,
                    "versions": versions(),
                    "machine": snapshot(),
                }
            ),
        )


if __name__ == "__main__":
    main()
