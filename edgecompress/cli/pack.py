"""`edgecompress pack`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from edgecompress.cli.output import json_option, kib, print_json, print_line, print_table, progress_bars, shown

if TYPE_CHECKING:
    from edgecompress.pipeline.pack import PackedModel


@click.command("pack")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Where to; FILE with the suffix .ecz if not given.")
@click.option("--explain", is_flag=True, help="Say of each tensor how it was coded, and how large it became.")
@json_option
def command(file: Path, out: Path | None, explain: bool, as_json: bool) -> None:
    """Pack FILE, a .tflite or .onnx model, as small as its content; `unpack` restores the same bytes.

    External data of an .onnx file is packed with it. Nothing is lost: what makes a model smaller is its training.

    Example: edgecompress pack runs/m1/artifacts/compressed.int8.tflite -o model.ecz
    """
    from edgecompress.pipeline.pack import SUFFIX, pack_model

    name = file.stem + SUFFIX
    target = file.parent / name if out is None else out / name if out.is_dir() else out
    with progress_bars() as progress:
        made = pack_model(file, target, on_progress=progress)
    raw = sum(made.files.values())
    packed = made.packed
    if as_json:
        print_json(
            {
                "file": str(file),
                "packed_file": str(made.path),
                "raw_bytes": raw,
                "stock_bytes": made.stock,
                "packed_bytes": len(packed.data),
                "files": made.files,
                "tensors": list(packed.tensors),
                "rest_bytes": packed.rest_bytes,
                "packed_rest_bytes": packed.packed_rest_bytes,
                "notes": list(packed.notes),
            }
        )
        return
    sizes = {"raw": raw, **made.stock, "packed": len(packed.data)}
    rows = [[name, f"{size:,}", kib(size), f"{100 * size / max(1, raw):.1f}"] for name, size in sizes.items()]
    print_table(shown(file.name), ["", "bytes", "KiB", "% of raw"], rows)
    if explain:
        _print_tensors(made)
    for note in packed.notes:
        print_line(f"Note: {note}")
    print_line(f"Written to {made.path}")


def _print_tensors(made: PackedModel) -> None:
    packed = made.packed
    rows = [
        [
            shown(tensor.name),
            tensor.dtype,
            " x ".join(map(str, tensor.shape)),
            f"{tensor.raw_bytes:,}",
            f"{tensor.packed_bytes:,}",
            tensor.coding,
        ]
        for tensor in packed.tensors
    ]
    rest = ["all else, with heads", "", "", f"{packed.rest_bytes:,}", f"{packed.packed_rest_bytes:,}", "lzma or mixed"]
    print_table("Tensors", ["tensor", "type", "shape", "raw", "packed", "coding"], [*rows, rest])
