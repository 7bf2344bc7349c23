"""Deep Compression's table for LeNet-300-100 and LeNet-5 on MNIST: our figures beside the paper's, stage by stage.

    python scripts/paper_deep_compression.py [--mnist-dir DIR] [--seeds 3] [--runs runs]
        [--json models/deep_compression.json]

Trains `models/*/recipes/deep_compression.toml` with each seed (or goes on where an earlier call was stopped). A
stage's ratio is counted as in the paper, with its gap bits, and with fillers, codebooks, code-length tables and biases.
The container's ratio is the float32 `.tflite` file of the dense network over the packed file of the compressed one.
Errors are of the test images, with Student's 95 % interval of their mean over the seeds.

Han et al., Deep Compression, arXiv:1510.00149, tables 1 and 2.
"""

from __future__ import annotations

import argparse
import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.cli.output import print_table, progress_bars
from edgecompress.convert.targets import Options, parse_target
from edgecompress.data.preprocessing import fit_pixels, scale_pixels
from edgecompress.devices.conditions import snapshot
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.loading import load_model
from edgecompress.numerics.codecs.deep_compression_size import layer_size, network_size
from edgecompress.numerics.student import half_width
from edgecompress.packing.container import unpack
from edgecompress.packing.pack import pack
from edgecompress.pipeline.convert import convert_run
from edgecompress.pipeline.networks.opened import open_data
from edgecompress.pipeline.train import train
from edgecompress.recipes import Recipe, load_recipe
from edgecompress.runs.versions import versions
from edgecompress.storage import to_json, write_text

MODELS = Path(__file__).parents[1] / "models"
CHUNK = 1000
GAP_BITS = {2: 5, 4: 8}  # the paper's, for dense layers and convolutions
MAX_RISE = 0.1  # percentage points of error above the dense network


@dataclass(frozen=True)
class Paper:
    """What the paper reports, and what is to be reached."""

    ratios: dict[str, float]
    dense_error: float
    error: float
    max_error: float
    stretch: float


PAPERS = {
    "lenet_300_100": Paper({"pruned": 12, "quantized": 32, "coded": 40}, 1.64, 1.58, 1.7, 64),
    "lenet_5": Paper({"pruned": 12, "quantized": 33, "coded": 39}, 0.80, 0.74, 0.9, 162),
}
MAX_CONTAINER = 0.90  # of the bytes that the paper's accounting gives the same weights
STRETCH_CONTAINER = 0.78


def main() -> None:
    """Print a table a network, and write all down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist-dir", default="")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {}
    for name, paper in PAPERS.items():
        recipe = load_recipe(MODELS / name / "recipes" / "deep_compression.toml")
        measured = []
        for seed in range(arguments.seeds):
            changed = recipe.model_copy(
                update={
                    "train": recipe.train.model_copy(update={"seed": seed}),
                    "data": recipe.data.model_copy(update={"directory": arguments.mnist_dir}),
                }
            )
            measured.append(_measure(changed, arguments.runs / "deep_compression" / f"{name}-{seed}"))
        found[name] = {"seeds": measured, **_summary(measured, paper)}
        _print(name, found[name], paper)
    if arguments.json:
        write_text(arguments.json, to_json({"networks": found, "versions": versions(), "machine": snapshot()}))


def _measure(recipe: Recipe, folder: Path) -> dict[str, Any]:
    with progress_bars() as progress:
        run = train(recipe, folder, resume=True, on_progress=progress)
        if not run.has("artifacts"):
            convert_run(run, (parse_target("tflite:float32"),), options=Options(), on_progress=progress)
    files = {each.variant: run.artifact_path(each).read_bytes() for each in run.read_artifacts()}
    stages = {"dense": "dense", "pruned": f"step_{len(recipe.compress) - 1}", "quantized": "compressed"}
    models = {stage: load_model(run.model(variant)) for stage, variant in stages.items()}
    errors = {stage: _error(recipe, model) for stage, model in models.items()}
    size = network_size(_layer(layer) for layer in models["quantized"].layers if kernels(layer))
    pruned = network_size(_layer(layer) for layer in models["pruned"].layers if kernels(layer))
    packed = pack(files["compressed"])
    assert unpack(packed) == files["compressed"]
    return {
        "errors": errors,
        "ratios": {"pruned": pruned.ratios[0], "quantized": size.ratios[1], "coded": size.ratios[2]},
        "non_zero": size.nonzeros / size.weights,
        "dense_file_bytes": len(files["dense"]),
        "packed_bytes": len(packed),
        "container_ratio": len(files["dense"]) / len(packed),
        "accounted_bytes": math.ceil(size.coded_bits / 8),
        "container_share": len(packed) / (size.coded_bits / 8),
    }


def _layer(layer: Any) -> Any:
    (kernel,) = (np.asarray(each) for each in kernels(layer))
    biases = int(np.size(layer.bias)) if getattr(layer, "bias", None) is not None else 0
    return layer_size(kernel, gap_bits=GAP_BITS[kernel.ndim], biases=biases)


def _error(recipe: Recipe, model: Any) -> float:
    """Return the percentage of test images that the model gets wrong."""
    opened = open_data(recipe)
    dataset, preprocessing = opened.dataset, opened.intake
    pixels, labels = fit_pixels(dataset.test.images, preprocessing), dataset.test.labels
    wrong = 0
    for start in range(0, len(labels), CHUNK):
        scores = model.predict_on_batch(scale_pixels(pixels[start : start + CHUNK], preprocessing))
        wrong += int((scores.argmax(-1) != labels[start : start + CHUNK]).sum())
    return 100 * wrong / len(labels)


def _summary(measured: list[dict[str, Any]], paper: Paper) -> dict[str, Any]:
    rises = [each["errors"]["quantized"] - each["errors"]["dense"] for each in measured]
    coded = min(each["ratios"]["coded"] for each in measured)
    errors = [each["errors"]["quantized"] for each in measured]
    error = statistics.mean(errors)
    share = max(each["container_share"] for each in measured)
    return {
        "error": error,
        "error_half_width": half_width(errors),
        "rise": statistics.mean(rises),
        "smallest_coded_ratio": coded,
        "largest_container_share": share,
        "reached": coded >= paper.ratios["coded"] and statistics.mean(rises) <= MAX_RISE and error <= paper.max_error,
        "stretch_reached": coded >= paper.stretch,
        "container_reached": share <= MAX_CONTAINER,
        "container_stretch_reached": share <= STRETCH_CONTAINER,
    }


def _print(name: str, found: dict[str, Any], paper: Paper) -> None:
    seeds = found["seeds"]
    rows = []
    for stage in ("dense", "pruned", "quantized", "coded", "container"):
        key = {"coded": "quantized", "container": "quantized"}.get(stage, stage)
        errors = [each["errors"][key] for each in seeds]
        ratio = _ratio(seeds, stage)
        theirs = {"dense": paper.dense_error, "coded": paper.error}.get(stage)
        rows.append(
            [
                stage,
                f"{ratio:.1f}" if ratio else "1",
                f"{paper.ratios[stage]:g}" if stage in paper.ratios else "-",
                f"{statistics.mean(errors):.2f} +- {half_width(errors):.2f}",
                f"{theirs:.2f}" if theirs else "-",
            ]
        )
    print_table(name, ["stage", "times smaller", "paper's", "error, %", "paper's error"], rows)
    print(
        f"{'reached' if found['reached'] else 'NOT REACHED'}: at least {paper.ratios['coded']:g} times "
        f"({found['smallest_coded_ratio']:.1f}) at no more than +{MAX_RISE} pp ({found['rise']:+.2f}) and "
        f"{paper.max_error} % ({found['error']:.2f})"
    )
    print(
        f"{'reached' if found['container_reached'] else 'NOT REACHED'}: container at most {MAX_CONTAINER} of the "
        f"paper's accounting ({found['largest_container_share']:.3f})"
    )


def _ratio(seeds: list[dict[str, Any]], stage: str) -> float:
    if stage == "container":
        return statistics.median(each["container_ratio"] for each in seeds)
    return statistics.median(each["ratios"].get(stage, 0.0) for each in seeds)


if __name__ == "__main__":
    main()
