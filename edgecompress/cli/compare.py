"""`edgecompress compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click

from edgecompress.cli.device_options import measuring_options, plan_options, require_good_conditions
from edgecompress.cli.output import json_option, print_error, print_json, print_line, progress_bars

PROCESSES = 16  # so that a difference of 3 % is found nine times in ten, by scripts/comparison_calls.py


@click.command("compare")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@measuring_options
@click.option(
    "--processes", type=click.IntRange(2, 1000), default=PROCESSES, show_default=True, help="Pairs of processes."
)
@json_option
def command(first: Path, second: Path, processes: int, strict: bool, as_json: bool, **options: Any) -> None:
    """Say whether SECOND is faster or slower than FIRST, from interleaved runs, or that one cannot tell.

    Example: edgecompress compare a.tflite b.tflite --on ssh:pi@raspberrypi.local
    """
    from edgecompress.pipeline.on_devices.compare import compare_files
    from edgecompress.profiling.plan import Plan

    # short rounds, many of them: luck falls to processes, so that only more of those say more
    plan = Plan(**plan_options(options), processes=processes, max_seconds=3.0)
    with progress_bars() as progress:
        found = compare_files(first, second, devices=options["devices"], plan=plan, on_progress=progress)
    if as_json:
        print_json(found)
    else:
        for each in found.verdicts:
            print_line(f"{each.device}, {each.threads} thread(s): {second.name} {each.sentence} {first.name}")
            if each.invalid:
                print_line(f"  INVALID: {each.invalid}.")
            if each.conditions:
                print_line(f"  Conditions: {each.conditions}.")
            for remark in each.remarks:
                print_line(f"  On {each.device}, {remark}.")
    for failure in found.failures:
        print_error(failure.message, failure.hint)
    if found.failures:
        raise SystemExit(1)
    if strict:
        require_good_conditions((each.device, each.invalid, each.remarks) for each in found.verdicts)
