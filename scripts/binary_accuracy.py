"""What binary training costs in accuracy, and whether the files compute what Keras does: BNN's network, and QuickNet.

python scripts/binary_accuracy.py [--mnist-dir DIR] [--runs runs] [--json models/binary_accuracy.json]

Trains both recipes (or goes on where an earlier call was stopped), verifies the files on all test images, and compares
on 1,000 of them Keras, TFLite and ONNX with and without the kernels. For this comparison the first and last layer stay
float in the files as they are in Keras; what int8 there changes is in the accuracy.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.cli.output import progress_bars
from edgecompress.convert.conversion import Source, convert
from edgecompress.convert.targets import Options, parse_target
from edgecompress.data.intake import fitted, model_inputs
from edgecompress.data.stratified import stratified_order
from edgecompress.devices.conditions import snapshot
from edgecompress.formats.tflite.file import read_graph
from edgecompress.loading import load_model
from edgecompress.pipeline.run import run_recipe
from edgecompress.pipeline.train import load_for
from edgecompress.recipes import Recipe, load_recipe
from edgecompress.runs.folder import RunFolder
from edgecompress.runs.versions import versions
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.storage import to_json, write_text
from edgecompress.tasks import ONE_CLASS

MODELS = Path(__file__).parents[1] / "models"
RECIPES = {"bnn_mlp/recipes/mnist.toml": 0.5, "quicknet/recipes/fashion_mnist.toml": 2.5}  # percentage points at most
IMAGES = 1000
FORMS = ("avx512_popcnt", "avx512", "avx2", "portable")
AGREEMENT = 99.9  # percent of images with the same argmax
BITS_A_WEIGHT = 1.06


def main() -> None:
    """Print a table a recipe, and write all down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist-dir", default="")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {}
    for name, limit in RECIPES.items():
        recipe = load_recipe(MODELS / name)
        if recipe.data.name == "mnist" and arguments.mnist_dir:
            data = recipe.data.model_copy(update={"directory": arguments.mnist_dir})
            recipe = recipe.model_copy(update={"data": data})
        found[name] = _measure(recipe, arguments.runs / f"binary_{recipe.data.name}", limit)
    if arguments.json:
        write_text(arguments.json, to_json({"results": found, "versions": versions(), "machine": snapshot()}))


def _measure(recipe: Recipe, folder: Path, limit: float) -> dict[str, Any]:
    with progress_bars() as progress:
        run, verification, _ = run_recipe(recipe, folder, resume=True, on_progress=progress)
    print(verification.data)
    for variant, right in verification.keras.items():
        print(f"  Keras {variant:34} {right.percent:6.2f} %  ({right.low:.2f} to {right.high:.2f})")
    for check in verification.artifacts:
        size = run.artifact_path(next(a for a in run.read_artifacts() if a.path == check.artifact)).stat().st_size
        print(f"  {check.artifact:40} {check.accuracy.percent:6.2f} %  {check.drop:+.2f} pp  {size:9,} bytes")
    drop = next(check.drop for check in verification.artifacts if check.target == "tflite:binary")
    _say("drop of the binary file, percentage points", drop, drop <= limit, limit)
    agreements = _agreements(recipe, run)
    for pair, percent in agreements.items():
        wanted = AGREEMENT if pair.startswith("argmax") else 100.0
        _say(pair, percent, percent >= wanted, wanted)
    bits = _bits_a_weight(run.path / "artifacts/compressed.binary.tflite")
    _say("bytes of binary kernels over one bit a weight", bits, bits <= BITS_A_WEIGHT, BITS_A_WEIGHT)
    return {"verification": verification, "drop": drop, "agreements": agreements, "bits_a_weight": bits}


def _say(what: str, value: float, reached: bool, limit: float) -> None:
    print(f"  {what:55} {value:8.3f}  (limit {limit:g}: {'reached' if reached else 'NOT REACHED'})")


def _agreements(recipe: Recipe, run: RunFolder) -> dict[str, float]:
    """Percent of images with equal argmax, and of outputs that are equal to the last bit."""
    preprocessing = run.intake()
    dataset = load_for(recipe, preprocessing, ONE_CLASS)
    order = stratified_order(dataset.test.labels, seed=0)[:IMAGES]
    (images,) = model_inputs(fitted(dataset.test.images[order], preprocessing), preprocessing)
    model = load_model(run.model("compressed"))
    artifacts = convert(
        Source("float_ends", model, "the run's model", preprocessing=preprocessing),
        (parse_target("tflite:binary"), parse_target("onnx:binary")),
        run.path / "float_ends",
        options=Options(keep_float=".*"),
    )
    tflite, onnx = (Path(artifact.path) for artifact in artifacts)
    keras = np.asarray(model.predict(images, batch_size=250, verbose=0)).argmax(-1)
    scores = {
        "TFLite": _scores(tflite, images),
        "ONNX with kernels": _scores(onnx, images),
        "ONNX without": _scores(onnx, images, plain=True),
    }
    found = {
        f"argmax of Keras and {name}, percent": 100 * float((keras == own.argmax(-1)).mean())
        for name, own in scores.items()
    }
    for form in FORMS:
        own = _scores(tflite, images, form=form)
        found[f"outputs of the best and the {form} kernels in TFLite, percent"] = _equal(own, scores["TFLite"])
    found["outputs of ONNX with and without kernels, percent"] = _equal(*(scores[name] for name in list(scores)[1:]))
    return found


def _scores(path: Path, images: np.ndarray, *, plain: bool = False, form: str = "") -> np.ndarray:
    if form:
        os.environ["EDGECOMPRESS_BINARY_KERNELS"] = form
    try:
        with RuntimeProcess(path, plain=plain) as process:
            return process.run_batch(images).reshape(len(images), -1)
    finally:
        os.environ.pop("EDGECOMPRESS_BINARY_KERNELS", None)  # which holds for a profile later on as well


def _equal(first: np.ndarray, second: np.ndarray) -> float:
    return 100 * float((first.view(np.uint32) == second.view(np.uint32)).mean())


def _bits_a_weight(path: Path) -> float:
    """Bytes of the binary kernels in the file, over the weights they hold at one bit each."""
    graph = read_graph(path)
    stored = weights = 0
    for operator in graph.operators:
        if operator.custom_code == "LceBconv2d":
            kernel = graph.tensors[operator.inputs[1]]
            assert kernel.data is not None
            stored += kernel.data.nbytes
            weights += kernel.size // kernel.shape[-1] * operator.options["channels_in"]
    return 8 * stored / weights


if __name__ == "__main__":
    main()
