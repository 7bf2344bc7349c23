"""`edgecompress unpack`."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from edgecompress.cli.output import json_option, print_json, print_line

LIMIT_MIB = 2048


@click.command("unpack")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Where to; the name it was packed by, or that of FILE, if not given.",
)
@click.option("--limit", type=click.IntRange(1), default=LIMIT_MIB, show_default=True, help="Refuse more MiB.")
@json_option
def command(file: Path, out: Path | None, limit: int, as_json: bool) -> None:
    """Restore the model that FILE, made by `pack`, holds: the same bytes, checked by their hash.

    External data of an .onnx file is written beside it. All files are written, or none.

    Example: edgecompress unpack model.ecz -o model.tflite
    """
    from edgecompress.packing import unpack_files
    from edgecompress.packing.files import read_packed, write_model
    from edgecompress.packing.header import COMPACT_MAGIC

    files = unpack_files(read_packed(file), limit_bytes=limit << 20)
    model = next(iter(files))
    name = Path(model).name  # never a path: it might lead through a link, or to another program's files
    if name in COMPACT_MAGIC:  # a suffix, or nothing
        name = (file.stem if name else "model") + name
    target = out or file.parent / name
    if target.is_dir():
        target = target / name
    written = write_model(target, files)
    if as_json:
        sizes = map(len, files.values())
        print_json({"files": {str(path): size for path, size in zip(written, sizes, strict=True)}})
        return
    for path, content in zip(written, files.values(), strict=True):
        print_line(f"{path}: {len(content):,} bytes, hash checked")
