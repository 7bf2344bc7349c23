"""Whether a packed file is ever larger than what the best stock compressor makes of the same bytes, and by how much.

    python scripts/packing_against_stock.py [--made 200] [--seed 1] [--folder DIR]... [--json models/packing_stock.json]

The files: made ones of twenty kinds, the same for a seed, and every model file that is installed, or lies in the
folders; files of one content count once. The compressors: gzip -9, zstd -19, zstd --ultra -22 --long=27, xz -9e, brotli
-q 11 with a large window; brotli only where the package `brotli` is installed, which the project itself has no use for.
Each packed file is unpacked and compared. The last line says how many lost by more than 16 bytes.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import lzma
import sysconfig
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from onnx import TensorProto, helper

from edgecompress.cli.output import print_table
from edgecompress.packing.container import unpack
from edgecompress.packing.pack import pack
from edgecompress.runs.versions import versions
from edgecompress.storage import to_json, write_text
from edgecompress.testing.tflite_files import T, build

ALLOWED_BYTES = 16
MAX_FILE_BYTES = 32 << 20
WINDOW_LOG = 27  # of zstd --long
WORST = 25  # rows that are printed


def gzip_9(content: bytes) -> int:
    """Return the size by `gzip -9`, without name and time."""
    return len(gzip.compress(content, 9, mtime=0))


def zstd_19(content: bytes) -> int:
    """Return the size by `zstd -19`, with its check sum, as the command writes it."""
    return len(zstandard.ZstdCompressor(level=19).compress(content))


def zstd_22(content: bytes) -> int:
    """Return the size by `zstd --ultra -22 --long=27`."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        22, source_size=len(content), window_log=WINDOW_LOG, enable_ldm=True
    )
    return len(zstandard.ZstdCompressor(compression_params=parameters).compress(content))


def xz_9e(content: bytes) -> int:
    """Return the size by `xz -9e`."""
    return len(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))


def brotli_11(content: bytes) -> int:
    """Return the size by `brotli -q 11 --large_window`, as far as its Python package lets a window grow."""
    import brotli

    return min(
        len(brotli.compress(content, quality=11, lgwin=lgwin, mode=mode)) for lgwin in (16, 24) for mode in (0, 1)
    )


STOCK: dict[str, Callable[[bytes], int]] = {
    "gzip -9": gzip_9,
    "zstd -19": zstd_19,
    "zstd -22": zstd_22,
    "xz -9e": xz_9e,
}
if importlib.util.find_spec("brotli"):
    STOCK["brotli"] = brotli_11


def onnx_model(*arrays: np.ndarray, doc: str = "", types: tuple[int, ...] = ()) -> bytes:
    """Return an `.onnx` file with these initializers."""
    initializers = [
        TensorProto(
            data_type=types[index] if types else helper.np_dtype_to_tensor_dtype(array.dtype),
            dims=array.shape,
            name=f"layers.{index}.weight",
            raw_data=np.ascontiguousarray(array).tobytes(),
        )
        for index, array in enumerate(arrays)
    ]
    nodes = [helper.make_node("Identity", [each.name], [f"out{i}"]) for i, each in enumerate(initializers)]
    return helper.make_model(helper.make_graph(nodes, "g", [], [], initializers, doc_string=doc)).SerializeToString()


def tflite_model(*arrays: np.ndarray) -> bytes:
    """Return a `.tflite` file with these constants."""
    names = {"f": "FLOAT", "i": "INT", "u": "UINT"}
    kinds = [f"{names[array.dtype.kind]}{8 * array.dtype.itemsize}" for array in arrays]
    return build([*(T(a.shape, kind, data=a) for a, kind in zip(arrays, kinds, strict=True)), T([1])], [])


def _normal(random: np.random.Generator, *shape: int) -> np.ndarray:
    return random.normal(0, 0.05, shape).astype(np.float32)


def _int8(random: np.random.Generator, *shape: int) -> np.ndarray:
    return np.clip(np.round(random.normal(0, 20, shape)), -127, 127).astype(np.int8)


def _block_scaled(random: np.random.Generator, rows: int, columns: int, block: int, bits: int) -> np.ndarray:
    """Return floats that are integers of a few bits times a scale for each block of rows of a column."""
    half = 1 << bits - 1
    integers = random.integers(-half, half, (rows // block, block, columns))
    scales = random.uniform(1e-3, 2e-3, (rows // block, 1, columns)).astype(np.float32)
    return (integers * scales).astype(np.float32).reshape(rows, columns)


def _text(random: np.random.Generator, words: int) -> str:
    text = "the model was trained with a batch of images and this layer is the weights of that input output for"
    listed = text.split()
    return " ".join(random.choice(listed, words))


MADE: dict[str, Callable[[np.random.Generator, int], bytes]] = {  # of a size of 1 to 10
    "bytes": lambda random, n: random.bytes(int(3 ** (n - 1)) - 1),
    "zeros": lambda random, n: bytes(int(5 ** (n - 1))),
    "no weights": lambda random, n: onnx_model(doc=_text(random, n * n - 1)),
    "empty tensors": lambda random, n: onnx_model(*[np.zeros((0, 3), np.float32)] * n),
    "constants": lambda random, n: tflite_model(*[np.full((8 * n, 8), value, np.float32) for value in range(n)]),
    "block int4": lambda random, n: onnx_model(_block_scaled(random, 64 * n, 128, 32, 4)),
    "block int3": lambda random, n: tflite_model(_block_scaled(random, 64 * n, 96, 16, 3)),
    "float32": lambda random, n: onnx_model(_normal(random, 16 * n, 64), _normal(random, 64)),
    "float16": lambda random, n: onnx_model(_normal(random, 16 * n, 64).astype(np.float16)),
    "bfloat16 in float32": lambda random, n: tflite_model(
        (_normal(random, 16 * n, 64).view("<u4") & np.uint32(0xFFFF0000)).view("<f4")
    ),
    "repeated": lambda random, n: onnx_model(*[_normal(random, 8 * n, 64)] * 3, *[_int8(random, 64 * n, 64)] * 2),
    "permuted": lambda random, n: onnx_model(
        *(lambda kernel: (kernel, kernel[random.permutation(len(kernel))], kernel.T))(_normal(random, 32 * n, 32))
    ),
    "text": lambda random, n: onnx_model(_int8(random, 4, 4), doc=_text(random, 40 * n * n)),
    "sparse": lambda random, n: onnx_model(
        *(np.where(random.random(each.shape) < 0.09 * n, 0, each) for each in (_normal(random, 64 * n, 32),)),
        np.where(random.random((64, 64 * n)) < 0.9, 0, _int8(random, 64, 64 * n)).astype(np.int8),
    ),
    "int8": lambda random, n: tflite_model(_int8(random, 64 * n, 64), _int8(random, 3, 3, 8, n)),
    "vocabulary": lambda random, n: onnx_model(_normal(random, 50 * n, 64)[random.integers(0, 50 * n, 1000 * n)]),
    "int8 vocabulary": lambda random, n: tflite_model(
        _int8(random, 100 * n, 48)[np.minimum(random.zipf(1.3, 2000 * n), 100 * n) - 1]
    ),
    "compressed": lambda random, n: onnx_model(
        np.frombuffer(zlib.compress(_normal(random, 32 * n, 64).tobytes(), 9), np.uint8)
    ),
    "several types": lambda random, n: onnx_model(
        _normal(random, 8 * n, 32),
        _normal(random, 8 * n, 32).astype(np.float64),
        _int8(random, 16 * n, 32),
        random.integers(0, 500, (8 * n, 16)),
        random.integers(0, 9000, (8 * n, 16)).astype(np.int32),
        random.random((n, 40)) < 0.5,
    ),
    "no model": lambda random, n: bytes(np.cumsum(random.integers(-2, 3, 500 * n * n)).astype(np.uint8)),
}


def made_files(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield so many files of all kinds, of ten sizes, with their names."""
    kinds = list(MADE)
    for index in range(count):
        kind, size = kinds[index % len(kinds)], index // len(kinds) % 10 + 1
        yield f"{kind}, {index // len(kinds) + 1}", MADE[kind](np.random.default_rng([seed, index]), size)


def found_files(folders: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield the model files in folders, each content once."""
    seen: set[bytes] = set()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".tflite", ".onnx", ".h5", ".keras") and path.is_file():
                content = path.read_bytes()
                if len(content) <= MAX_FILE_BYTES and content not in seen:
                    seen.add(content)
                    yield str(path.relative_to(folder)), content


def compare(kind: str, name: str, content: bytes) -> dict[str, Any]:
    """Pack a file, unpack it again, and return all sizes."""
    packed = pack(content, name=Path(name).name)
    if unpack(packed) != content:
        raise AssertionError(f"'{name}' did not come back")
    stock = {which: size(content) for which, size in STOCK.items()}
    best = min(stock, key=lambda which: stock[which])
    return {
        "kind": kind, "file": name, "raw": len(content), "stock": stock, "best": best, "packed": len(packed),
        "more_than_best": len(packed) - stock[best],
    }  # fmt: skip


def main() -> None:
    """Compare all, and print the worst."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--made", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, action="append")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    folders = arguments.folder or [Path(sysconfig.get_path("purelib"))]
    made, found = made_files(arguments.made, arguments.seed), found_files(folders)
    rows = [compare(kind, *each) for kind, files in (("made", made), ("found", found)) for each in files]
    rows.sort(key=lambda row: -row["more_than_best"])
    shown = [
        [row["file"], f"{row['raw']:,}", row["best"], f"{row['stock'][row['best']]:,}", f"{row['packed']:,}",
         f"{row['more_than_best']:+,}"]
        for row in rows[:WORST]
    ]  # fmt: skip
    print_table("The worst", ["file", "raw", "best stock", "bytes", "packed", "more"], shown)
    lost = sum(row["more_than_best"] > ALLOWED_BYTES for row in rows)
    print(f"{lost} of {len(rows)} files are more than {ALLOWED_BYTES} bytes larger than the best of {', '.join(STOCK)}")
    if arguments.json:
        write_text(arguments.json, to_json({"files": rows, "versions": versions()}))


if __name__ == "__main__":
    main()
