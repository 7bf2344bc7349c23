"""`edgecompress convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click

from edgecompress.cli.numbers import Finite
from edgecompress.cli.output import json_option, kib, print_json, print_line, print_table, progress_bars
from edgecompress.values import Artifact


@click.command("convert")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "targets",
    multiple=True,
    required=True,
    metavar="TARGET",
    help="tflite:float32, float16, dynamic, int8, int16x8 or binary; onnx:float32, int8 or binary. May be repeated.",
)
@click.option(
    "--io",
    type=click.Choice(["float32", "int8", "uint8"]),
    default="float32",
    show_default=True,
    help="Inputs and outputs of int8 files.",
)
@click.option(
    "--calibrate",
    default="",
    metavar="DATA:N",
    help="Example inputs, such as folder:images:200.  [default: a run's own training split]",
)
@click.option("--keep-float", default="", metavar="REGEX", help="Layers that stay float in int8 files.")
@click.option("--sparse", is_flag=True, help="Store zeros sparsely, for XNNPACK's sparse kernels (tflite:float32).")
@click.option("--variant", "variants", multiple=True, help="Only this variant of a run: dense or compressed.")
@click.option(
    "--input-range",
    type=Finite(),
    nargs=2,
    help="What a model file expects pixels 0..255 to be mapped to.  [default: what its first layer tells]",
)
@click.option(
    "--fit",
    type=click.Choice(["stretch", "crop", "letterbox"]),
    default="stretch",
    show_default=True,
    help="How images of another shape get that of a model file: stretched, their middle, or with black beside.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the files of a model file.  [default: beside it, NAME-artifacts]",
)
@click.option("--trust", is_flag=True, help="Run the code that a model file carries or names.")
@json_option
def command(
    source: Path, targets: tuple[str, ...], as_json: bool, out: Path | None, variants: tuple[str, ...], **settings: Any
) -> None:
    """Emit SOURCE, a run folder or a .h5 or .keras file, for each target; each file is compared with SOURCE.

    A float .tflite or .onnx file whose kernels hold one magnitude a filter can be emitted as binary.

    Examples: edgecompress convert runs/m1 --to tflite:int8 --to onnx:int8

    edgecompress convert model.h5 --to tflite:int8 --calibrate folder:images:200

    edgecompress convert larq_model.h5 --to tflite:binary --to onnx:binary
    """
    from edgecompress.convert.targets import Options, parse_target
    from edgecompress.errors import RunFolderError
    from edgecompress.pipeline.convert import convert_file, convert_run
    from edgecompress.runs.folder import open_run

    wanted = tuple(dict.fromkeys(parse_target(text) for text in targets))
    options = Options(io=settings["io"], keep_float=settings["keep_float"], sparse=settings["sparse"])
    if not source.exists():
        raise RunFolderError(f"There is no '{source}'.", hint="Give a run folder, or a model file.")
    with progress_bars() as progress:
        if source.is_dir():
            folder = source
            artifacts = convert_run(
                open_run(source),
                wanted,
                options=options,
                variants=variants,
                calibrate=settings["calibrate"],
                on_progress=progress,
            )
        else:
            folder = out or source.with_name(f"{source.stem}-artifacts")
            artifacts = convert_file(
                source,
                wanted,
                folder,
                options=options,
                input_range=settings["input_range"],
                fit=settings["fit"],
                calibrate=settings["calibrate"],
                trust=settings["trust"],
                on_progress=progress,
            )
    if as_json:
        print_json({"folder": str(folder), "artifacts": artifacts})
        return
    rows = [
        [a.path, a.target, kib(a.size_bytes), a.inputs[0].dtype, str(len(a.float_layers)), _agreement(a)]
        for a in artifacts
    ]
    columns = ["file", "target", "KiB", "input", "float operators", "signal to noise, dB"]
    print_table(f"Files in {folder}", columns, rows)
    for said in dict.fromkeys(said for a in artifacts for said in a.assumptions):
        print_line(said)
    for artifact in artifacts:
        for warning in artifact.warnings:
            print_line(f"Warning: {artifact.path}: {warning}")
    made = {(a.variant, a.target) for a in artifacts}
    variants_made = dict.fromkeys(a.variant for a in artifacts)
    missing = [f"{v} {target}" for v in variants_made for target in map(str, wanted) if (v, target) not in made]
    if missing:
        print_line(f"Not made, for want of binary layers: {', '.join(missing)}.")
    if any(a.target in ("onnx:int8", "onnx:binary") for a in artifacts):
        print_line(
            "On x86 without VNNI, ONNX Runtime computes int8 layers wrongly unless an application's sessions have "
            "session.x64quantprecision = 1 (docs/conversion.md)."
        )
    kept = [[a.path, note.layer, note.reason] for a in artifacts for note in a.float_layers]
    if kept:
        print_table("Computed in float in int8 files, and how in binary files", ["file", "operator", "reason"], kept)


def _agreement(artifact: Artifact) -> str:
    """How the outputs agree with the source's: the least of them, which may be equal to the last bit."""
    from edgecompress.numerics.signal import EQUAL_DB  # here, as help needs no NumPy

    if not artifact.agreement:
        return "-"
    least = min(each.signal_to_noise_db for each in artifact.agreement)
    return "equal" if least >= EQUAL_DB else f"{least:.1f}"
