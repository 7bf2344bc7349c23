"""`edgecompress verify`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from edgecompress.cli.device_options import folder_option, in_folder, once, shape_option
from edgecompress.cli.numbers import Finite
from edgecompress.cli.output import json_option, print_error, print_json, print_line, print_table, progress_bars

if TYPE_CHECKING:
    from edgecompress.devices.address import Address
    from edgecompress.numerics.paired import PairedDrop
    from edgecompress.verification import Accuracy, Verification


class Kernels(click.ParamType):
    """Families of LiteRT's kernels, with commas between."""

    name = "families"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return them as a tuple, each once."""
        from edgecompress.runtimes.engines.session import KERNELS

        if isinstance(value, tuple):
            return value
        named = tuple(dict.fromkeys(each.strip() for each in str(value).split(",")))
        if unknown := [each for each in named if each not in KERNELS]:
            self.fail(f"'{unknown[0]}' is no family of kernels; there are {', '.join(KERNELS)}.", param, ctx)
        return named


@click.command("verify")
@click.argument("sources", metavar="RUN|FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--on",
    "devices",
    multiple=True,
    metavar="DEVICE",
    callback=in_folder,
    help="Compare the outputs on this device with this machine's; may be repeated.",
)
@folder_option
@click.option(
    "--data",
    metavar="NAME[:IMAGES]",
    default="",
    help="Samples for FILEs, such as fashion_mnist:200, or for a folder of files of a model that was converted alone.  "
    "[default: random inputs]",
)
@click.option(
    "--input-range",
    type=(float, float),
    metavar="LOW HIGH",
    help="Which values FILEs take.  [default: as the file or its quantization tells]",
)
@shape_option
@click.option("--limit", type=click.IntRange(0), default=0, help="Use only so many test images.  [default: all]")
@click.option(
    "--kernels",
    type=Kernels(),
    default=(),
    metavar="FAMILIES",
    help="Run TFLite files also by these families of LiteRT's kernels: xnnpack,builtin,reference.",
)
@click.option(
    "--max-drop",
    type=Finite(0),
    help="Fail with exit code 3 if a file is more percentage points below the dense Keras model.",
)
@click.option(
    "--max-steps",
    type=click.FloatRange(0),
    help="Fail with exit code 3 if outputs that should be equal are more steps of their quantization apart.",
)
@click.option(
    "--min-argmax",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Fail with exit code 3 if outputs that should be equal, or a file and its Keras model, have the same argmax "
    "on fewer images.",
)
@click.option(
    "--loss", default="", help="What a model that was converted alone has learnt, if neither it nor the labels tell."
)
@click.option(
    "--metric",
    default="",
    metavar="FILE.py:FUNCTION",
    help="Your own measure, instead of accuracy: of labels and outputs a number, or one a sample. Needs --trust.",
)
@click.option("--trust", is_flag=True, help="Run the code that the model of a RUN carries or names, or of --metric.")
@json_option
def command(
    sources: tuple[Path, ...],
    devices: tuple[str | Address, ...],
    data: str,
    input_range: tuple[float, float] | None,
    shapes: tuple[tuple[str, tuple[int, ...]], ...],
    limit: int,
    kernels: tuple[str, ...],
    max_drop: float | None,
    loss: str,
    metric: str,
    trust: bool,
    as_json: bool,
    **agreement: Any,
) -> None:
    """Run every file of RUN on the test split: accuracy, agreement with Keras, TFLite against ONNX.

    With --on, run FILEs (or RUN's) on devices instead, and compare each output with this machine's, step by step. A
    difference in accuracy is one on the same images; where they cannot tell, the table says ≈.

    Examples: edgecompress verify runs/m1 --max-drop 0.5

    edgecompress verify my_model-artifacts --data folder:photos --max-drop 0.5
    """
    from edgecompress.errors import RunFolderError

    if input_range is not None and not (all(map(math.isfinite, input_range)) and input_range[0] < input_range[1]):
        raise click.UsageError("--input-range needs two finite numbers, the smaller one first.")
    for source in sources:
        if not source.exists() and source.suffix.lower() not in (".tflite", ".onnx"):  # a missing file fails by itself
            raise RunFolderError(f"There is no '{source}'.", hint="Give a run folder, or model files.")
    lone = not sources[0].is_dir()
    if not lone and input_range is not None:
        raise click.UsageError("--input-range is for FILEs; a RUN says itself which values its files take.")
    if not devices and not lone:
        if len(sources) > 1 or shapes:
            raise click.UsageError("Give one RUN alone, or FILEs with --shape.")
        how = {"data": data, "loss": loss, "limit": limit, "kernels": kernels, "metric": metric, "trust": trust}
        _verify_run(sources[0], how, max_drop, agreement, as_json)
        return
    if loss or metric:
        raise click.UsageError(f"--{'loss' if loss else 'metric'} is for a RUN, and without --on.")
    if trust:
        raise click.UsageError("--trust is for a RUN, and without --on: FILEs carry no code that would be run.")
    if max_drop is not None:
        raise click.UsageError("--max-drop needs a RUN, and no --on.")
    from edgecompress.pipeline.on_devices.verify import verify_files, verify_run_on
    from edgecompress.verification import require_agreement

    places = devices or (() if kernels else ("local",))
    with progress_bars() as progress:
        if lone:
            found, failures = verify_files(
                sources,
                devices=places,
                data=data,
                limit=limit,
                input_range=input_range,
                shapes=once(shapes),
                kernels=kernels,
                on_progress=progress,
            )
        else:
            found, failures = verify_run_on(
                sources[0], devices=places, limit=limit, kernels=kernels, on_progress=progress
            )
    if as_json:
        print_json({"agreements": found, "failures": failures})
    else:
        columns = ["file", "device", "inputs", *AGREEMENT]
        rows = [[each.artifact, each.device, str(each.images), *_agreement(each)] for each in found]
        if any(each.accuracy for each in found):
            columns += ["accuracy %", "drop", "95 % interval"]
            for row, each in zip(rows, found, strict=True):
                row += [_accuracy(each.accuracy)[0] if each.accuracy else "-", *_drop(each.drop)]
        print_table("Outputs against this machine's", columns, rows)
        for assumed in dict.fromkeys((each.artifact, each.assumed) for each in found):
            print_line(f"{assumed[0]} was fed {assumed[1]}.")
    if not lone:
        _warn(_strays(sources[0]))
    for failure in failures:
        print_error(failure.message, failure.hint)
    _warn(require_agreement(found, **agreement))
    if failures:
        raise SystemExit(1)


def _verify_run(
    run_folder: Path,
    how: dict[str, Any],
    max_drop: float | None,
    agreement: dict[str, Any],
    as_json: bool,
) -> None:
    from edgecompress.pipeline.verify import verify_run
    from edgecompress.runs.folder import open_run
    from edgecompress.verification import require_agreement, require_drop

    with progress_bars() as progress:
        result = verify_run(open_run(run_folder), **how, on_progress=progress)
    if as_json:
        print_json(result)
    else:
        _print_tables(result)
    _warn(_strays(run_folder))
    faults = result.faults()
    for fault in faults:
        print_error(fault)
    if max_drop is not None:
        _warn(require_drop(result, max_drop=max_drop))
    pairs = (*result.parity, *result.kernels)
    _warn(require_agreement(pairs, **agreement, with_keras=result.artifacts))
    if faults:
        raise SystemExit(1)


def _print_tables(result: Verification) -> None:
    from edgecompress.tasks import headed

    keras = [[name, "Keras", *_accuracy(found), *[""] * 4] for name, found in result.keras.items()]
    rows = [
        [
            check.artifact,
            check.target,
            *_accuracy(check.accuracy),
            *_drop(check.paired),
            _percent(check.keras_agreement, 2),
            f"{check.largest_difference:.4f}",
        ]
        for check in result.artifacts
    ]
    columns = ["model", "target", f"{result.metric} %", "95 % interval", "drop", "95 % interval"]
    title = f"{headed(result.metric)} on {result.data}"
    print_table(title, [*columns, "decides as Keras %", "largest difference"], keras + rows)
    if any(check.paired and not check.paired.told for check in result.artifacts):
        print_line("≈ cannot tell: on the same images, the dense Keras model may be as good, or as bad.")
    rows = [[f"{each.variant} {each.precision}", each.kernels, *_agreement(each)] for each in result.parity]
    if rows:
        print_table("Parity", ["TFLite against ONNX", "TFLite by", *AGREEMENT], rows)
    rows = [
        [each.artifact, each.kernels, _accuracy(each.accuracy)[0], *_drop(each.drop), *_agreement(each)]
        for each in result.kernels
    ]
    if rows:
        columns = ["file", "by", f"{result.metric} %", "drop", "95 % interval", *AGREEMENT]
        print_table("Families of LiteRT's kernels, against xnnpack", columns, rows)
    for note in result.notes:
        print_line(note)
    print_line(f"Run by {', '.join(dict.fromkeys(check.runtime for check in result.artifacts))}.")


_NAMED = 5  # stray files, at most
AGREEMENT = ("largest difference", "in steps", "equal outputs %", "equal argmax %")


def _agreement(found: Any) -> list[str]:
    return [
        f"{found.largest_difference:.2e}",
        f"{found.largest_steps:g}" if found.step else "-",
        f"{found.equal_outputs:.3f}",
        _percent(found.equal_argmax, 3),
    ]


def _percent(share: float | None, decimals: int) -> str:
    return "-" if share is None else f"{share:.{decimals}f}"


def _accuracy(found: Accuracy) -> list[str]:
    return [f"{found.percent:.2f}", f"{found.low:.2f} .. {found.high:.2f}"]


def _drop(found: PairedDrop | None) -> list[str]:
    if found is None:
        return ["-", "-"]
    return [f"{found.points:+.2f}{'' if found.told else ' ≈'}", f"{found.low:+.2f} .. {found.high:+.2f}"]


def _strays(run_folder: Path) -> list[str]:
    """Say which files lie among a run's artifacts and are none of them; nothing where there are no such files."""
    from edgecompress.runs.folder import open_run

    strays = open_run(run_folder).strays()
    more = f" and {len(strays) - _NAMED} more" if len(strays) > _NAMED else ""
    return [f"Left out, as artifacts.json does not list it: {', '.join(strays[:_NAMED])}{more}."] if strays else []


def _warn(sentences: list[str]) -> None:
    """Say on standard error what is no error."""
    for sentence in sentences:
        click.echo(f"Note: {sentence}", err=True)
