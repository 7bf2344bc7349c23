"""`edgecompress verify`."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from edgecompress.cli.device_options import once, shape_option
from edgecompress.cli.numbers import Finite
from edgecompress.cli.output import json_option, print_error, print_json, print_line, print_table, progress_bars


@click.command("verify")
@click.argument("sources", metavar="RUN|FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--on",
    "devices",
    multiple=True,
    metavar="DEVICE",
    help="Compare the outputs on this device with this machine's; may be repeated.",
)
@click.option("--data", metavar="NAME[:IMAGES]", default="", help="Images for FILEs, such as fashion_mnist:200.")
@shape_option
@click.option("--limit", type=click.IntRange(0), default=0, help="Use only so many test images.  [default: all]")
@click.option(
    "--max-drop",
    type=Finite(0),
    help="Fail with exit code 3 if a file is more percentage points below the dense Keras model.",
)
@json_option
def command(
    sources: tuple[Path, ...],
    devices: tuple[str, ...],
    data: str,
    shapes: tuple[tuple[str, tuple[int, ...]], ...],
    limit: int,
    max_drop: float | None,
    as_json: bool,
) -> None:
    """Run every file of RUN on the test split: accuracy, agreement with Keras, TFLite against ONNX.

    With --on, run FILEs (or RUN's) on devices instead, and compare each output with this machine's, step by step.

    Example: edgecompress verify runs/m1 --max-drop 0.5
    """
    if devices or not sources[0].is_dir():
        if max_drop is not None:
            raise click.UsageError("--max-drop needs a RUN, and no --on.")
        _verify_on_devices(sources, devices or ("local",), data, once(shapes), limit, as_json)
        return
    if len(sources) > 1 or data or shapes:
        raise click.UsageError("Give one RUN alone, or FILEs with --data and --shape.")
    run_folder = sources[0]
    from edgecompress.pipeline.verify import verify_run
    from edgecompress.runs import open_run
    from edgecompress.verification import require_drop

    with progress_bars() as progress:
        result = verify_run(open_run(run_folder), limit=limit, on_progress=progress)
    if as_json:
        print_json(result)
    else:
        keras = [[name, "Keras", *_accuracy(found), "", "", ""] for name, found in result.keras.items()]
        rows = [
            [
                check.artifact,
                check.target,
                *_accuracy(check.accuracy),
                f"{check.drop:+.2f}",
                f"{check.keras_agreement:.2f}",
                f"{check.largest_difference:.4f}",
            ]
            for check in result.artifacts
        ]
        columns = ["model", "target", "accuracy %", "95 % interval", "drop", "argmax as Keras %", "largest difference"]
        print_table(f"Accuracy on {result.data}", columns, keras + rows)
        rows = [
            [
                f"{parity.variant} {parity.precision}",
                f"{parity.largest_difference:.2e}",
                f"{parity.largest_steps:g}" if parity.step else "-",
                f"{parity.equal_outputs:.3f}",
                f"{parity.equal_argmax:.3f}",
            ]
            for parity in result.parity
        ]
        if rows:
            columns = ["TFLite against ONNX", "largest difference", "in steps", "equal outputs %", "equal argmax %"]
            print_table("Parity", columns, rows)
        print_line(f"Run by {', '.join(dict.fromkeys(check.runtime for check in result.artifacts))}.")
    if max_drop is not None:
        require_drop(result, max_drop=max_drop)


def _accuracy(found: object) -> list[str]:
    return [f"{found.percent:.2f}", f"{found.low:.2f} .. {found.high:.2f}"]  # type: ignore[attr-defined]


def _verify_on_devices(
    sources: tuple[Path, ...],
    devices: tuple[str, ...],
    data: str,
    shapes: tuple[tuple[str, tuple[int, ...]], ...],
    limit: int,
    as_json: bool,
) -> None:
    from edgecompress.pipeline.device_verify import verify_files, verify_run_on

    with progress_bars() as progress:
        if sources[0].is_dir():
            found, failures = verify_run_on(sources[0], devices=devices, limit=limit, on_progress=progress)
        else:
            found, failures = verify_files(
                sources, devices=devices, data=data, shapes=shapes, limit=limit, on_progress=progress
            )
    if as_json:
        print_json({"agreements": found, "failures": failures})
    else:
        columns = ["file", "device", "images", "equal outputs %", "equal argmax %", "largest difference", "in steps"]
        rows = [
            [
                each.artifact,
                each.device,
                str(each.images),
                f"{each.equal_outputs:.3f}",
                f"{each.equal_argmax:.2f}",
                f"{each.largest_difference:.2e}",
                f"{each.largest_steps:g}" if each.step else "-",
                *_accuracy(each.accuracy),
            ]
            for each in found
        ]
        print_table("Outputs on devices against this machine's", [*columns, "accuracy %", "95 % interval"], rows)
    for failure in failures:
        print_error(failure.message, failure.hint)
    if failures:
        raise SystemExit(1)
