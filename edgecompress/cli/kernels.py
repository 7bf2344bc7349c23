"""`edgecompress kernels`."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

import rich_click as click

from edgecompress.cli.output import json_option, kib, print_json, print_line, print_table

HEADERS = ("binary.h", "export.h", "litert_ops.h")


@click.command("kernels")
@click.option(
    "--machine",
    type=click.Choice(["x86_64", "aarch64"]),
    default=platform.machine(),
    show_default="this machine's",
    help="Processor to build for.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Copy the library and its headers here.")
@json_option
def command(machine: str, out: Path | None, as_json: bool) -> None:
    """Build the library that makes binary files fast in LiteRT and ONNX Runtime, for an application to ship.

    It is one file of plain C that needs the C library alone, and takes the best code that the processor has.
    docs/binary.md says how an application loads it.

    Example: edgecompress kernels --machine aarch64 --out build/aarch64
    """
    from edgecompress.native.build import SOURCES, build_binary_kernels
    from edgecompress.storage import written_whole

    files = [build_binary_kernels(machine)]
    if out is not None:
        sources = [*files, *(SOURCES / "binary" / name for name in HEADERS)]
        files = [out / source.name for source in sources]
        for source, target in zip(sources, files, strict=True):
            with written_whole(target) as beside:
                shutil.copyfile(source, beside)
    if as_json:
        print_json({"machine": machine, "files": [str(path) for path in files]})
        return
    print_table(f"Binary kernels for {machine}", ["file", "KiB"], [[str(p), kib(p.stat().st_size)] for p in files])
    print_line("In Python: edgecompress.runtimes.register(session_options) does this for ONNX Runtime.")
