"""A whole recipe: train, convert, verify, profile."""

from __future__ import annotations

from pathlib import Path

from edgecompress.convert.targets import Options, parse_target
from edgecompress.pipeline.convert import convert_run
from edgecompress.pipeline.profile import parse_devices, profile_run
from edgecompress.pipeline.train import train
from edgecompress.pipeline.verify import verify_run
from edgecompress.profiling.plan import Plan
from edgecompress.progress import Progress, silent
from edgecompress.recipes import Recipe
from edgecompress.runs import RunFolder
from edgecompress.values import Failure
from edgecompress.verification import Verification


def run_recipe(
    recipe: Recipe, folder: Path, *, resume: bool = False, on_progress: Progress = silent
) -> tuple[RunFolder, Verification, tuple[Failure, ...]]:
    """Do what the recipe says, into `folder`; whether its limits were met is for the caller to ask.

    Devices that could not measure, while others could, are in the failures.

    Raises:
        EdgeCompressError: any step failed; what the steps before it made is kept.
    """
    targets = tuple(parse_target(text) for text in recipe.convert.targets)
    options = Options(io=recipe.convert.io, keep_float=recipe.convert.keep_float, sparse=recipe.convert.sparse)
    parse_devices(recipe.profile.devices)  # a name that is wrong shows before hours of training
    run = train(recipe, folder, resume=resume, on_progress=on_progress)
    convert_run(run, targets, options=options, on_progress=on_progress)
    verification = verify_run(run, limit=recipe.verify.limit, on_progress=on_progress)
    plan = Plan(threads=recipe.profile.threads, cores=recipe.profile.cores, processes=recipe.profile.processes)
    profiled = profile_run(run, devices=recipe.profile.devices, plan=plan, on_progress=on_progress)
    return run, verification, profiled.failures
