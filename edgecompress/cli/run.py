"""`edgecompress run`."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from edgecompress.cli.output import json_option, print_error, progress_bars
from edgecompress.cli.report import show_report


@click.command("run")
@click.argument("recipe_file", metavar="RECIPE", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/NAME of the recipe]")
@click.option("--resume", is_flag=True, help="Go on with a run that was cut off.")
@json_option
def command(recipe_file: Path, out: Path | None, resume: bool, as_json: bool) -> None:
    """Train, convert, verify, profile, pack and report as RECIPE, a TOML file, says.

    Example: edgecompress run models/mobilenet_v1/recipes/fashion_mnist.toml
    """
    from edgecompress.pipeline.run import run_recipe
    from edgecompress.recipes import load_recipe
    from edgecompress.report.write import write_report
    from edgecompress.verification import require_drop

    recipe = load_recipe(recipe_file)
    with progress_bars() as progress:
        run, verification, failures = run_recipe(
            recipe,
            out or Path("runs") / recipe_file.stem,
            resume=resume,
            on_progress=progress,
            tell=progress.tell,
        )
        report = write_report(run, on_progress=progress)
    show_report(report, run.path, as_json=as_json)
    faults = verification.faults()
    for fault in faults:
        print_error(fault)
    for failure in failures:
        print_error(failure.message, failure.hint)
    if recipe.verify.max_drop is not None:
        for sentence in require_drop(verification, max_drop=recipe.verify.max_drop):
            click.echo(f"Note: {sentence}", err=True)
    if faults or failures:
        raise SystemExit(1)
