"""`edgecompress profile`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from edgecompress.cli.device_options import Duration, measuring_options, plan_options, require_good_conditions
from edgecompress.cli.output import json_option, print_error, print_json, progress_bars

if TYPE_CHECKING:
    from edgecompress.pipeline.on_devices.profile import Profiled


@click.command("profile")
@click.argument("sources", metavar="RUN|FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@measuring_options
@click.option("--processes", type=click.IntRange(1, 1000), default=3, show_default=True, help="Processes an artifact.")
@click.option("--sustained", type=Duration(), help="Run each file so long without a pause: speed against heat.")
@click.option("--set-governor", "governor", metavar="NAME", default="", help="Set the governor, and restore it.")
@click.option(
    "--device-python",
    default="",
    show_default="devices.toml's, or python3",
    metavar="PYTHON",
    help="The device's Python, such as one of a venv there.",
)
@click.option(
    "--benchmark-model", type=click.Path(path_type=Path), help="Google's tool, built for the device, to measure with."
)
@click.option(
    "--trace", type=click.Path(path_type=Path), help="Write a trace for Perfetto, with 20,000 inferences at most."
)
@click.option("--operators", type=click.IntRange(0), default=5, show_default=True, help="Rows of the operator tables.")
@json_option
def command(sources: tuple[Path, ...], **options: Any) -> None:
    """Measure a RUN's files, or FILEs, interleaved, on devices: load, first inference, steady state, memory, operators.

    Example: edgecompress profile runs/m1 --on local --on ssh:pi@raspberrypi.local --threads 1,4
    """
    from edgecompress.cli.profile_tables import print_profiled
    from edgecompress.errors import RunFolderError

    if sum(source.is_dir() for source in sources) and len(sources) > 1:
        raise RunFolderError("A run folder cannot be mixed with files.", hint="Give one run folder, or files.")
    found = _measure(sources, options)
    if options["as_json"]:
        print_json(replace(found, timelines=()))  # they are what --trace writes
    else:
        print_profiled(found, options["operators"])
    for message, hint in dict.fromkeys((failure.message, failure.hint) for failure in found.failures):
        print_error(message, hint)
    if options["trace"]:  # last: figures that took minutes are not lost to a folder that cannot be written
        from edgecompress.report.trace import write_trace

        write_trace(options["trace"], found.timelines)
    if found.failures:
        raise SystemExit(1)
    if options["strict"]:
        require_good_conditions(
            [
                *((each.device, each.invalid, each.conditions.get("remarks", ())) for each in found.measurements),
                *((each.device, "", each.conditions.get("remarks", ())) for each in found.sustained),
            ]
        )


def _measure(sources: tuple[Path, ...], options: dict[str, Any]) -> Profiled:
    from edgecompress.pipeline.on_devices.profile import Extras, profile_files, profile_run
    from edgecompress.profiling.plan import Plan
    from edgecompress.runs.folder import open_run

    if options["shapes"] and options["benchmark_model"]:
        raise click.UsageError("--shape is not for --benchmark-model, which is not told of shapes.")
    plan = Plan(
        **plan_options(options),
        python=options["device_python"],
        processes=options["processes"],
        with_samples=options["trace"] is not None,
    )
    extras = Extras(options["governor"], options["sustained"] or 0.0, options["benchmark_model"])
    with progress_bars() as progress:
        if sources[0].is_dir():
            return profile_run(
                open_run(sources[0]), devices=options["devices"], plan=plan, extras=extras, on_progress=progress
            )
        return profile_files(sources, devices=options["devices"], plan=plan, extras=extras, on_progress=progress)
