"""A whole recipe: train, convert, verify, profile, pack."""

from __future__ import annotations

from pathlib import Path

from edgecompress.convert.targets import Options, parse_target
from edgecompress.pipeline.check import check_rest
from edgecompress.pipeline.claim import held_recipe, same
from edgecompress.pipeline.convert import convert_run
from edgecompress.pipeline.networks.of_recipe import pinned
from edgecompress.pipeline.on_devices.profile import profile_run
from edgecompress.pipeline.pack import pack_run
from edgecompress.pipeline.train import train
from edgecompress.pipeline.verify import verify_run
from edgecompress.profiling.plan import Plan
from edgecompress.progress import Progress, Tell, silent, untold
from edgecompress.recipes import Recipe, to_toml
from edgecompress.runs.folder import RunFolder
from edgecompress.runs.working import working_in
from edgecompress.storage import write_text
from edgecompress.values import Failure
from edgecompress.verification import Verification


def run_recipe(
    recipe: Recipe, folder: Path, *, resume: bool = False, on_progress: Progress = silent, tell: Tell = untold
) -> tuple[RunFolder, Verification, tuple[Failure, ...]]:
    """Do what the recipe says, into `folder`; whether its limits were met is for the caller to ask.

    All that can be known is checked first. Devices that could not measure, while others could, are in the failures.

    Raises:
        EdgeCompressError: any step failed; what the steps before it made is kept.
    """
    check_rest(recipe)
    recipe = pinned(recipe)
    with working_in(folder) as run:
        held = held_recipe(run)
        if held is not None and held != recipe and same(held, recipe):
            tell(f"The training in '{folder}' is that of this recipe, and is kept.")
            resume = True
        train(recipe, folder, resume=resume, on_progress=on_progress, tell=tell)
        write_text(run.recipe, to_toml(recipe))
        targets = tuple(parse_target(text) for text in recipe.convert.targets)
        options = Options(io=recipe.convert.io, keep_float=recipe.convert.keep_float, sparse=recipe.convert.sparse)
        tell(f"Converting to {', '.join(recipe.convert.targets)}")
        convert_run(run, targets, options=options, on_progress=on_progress)
        tell("Verifying the files")
        verification = verify_run(run, limit=recipe.verify.limit, on_progress=on_progress)
        for packed in pack_run(run, recipe.pack.targets, on_progress=on_progress):
            least = min(packed.stock.values())
            tell(f"Packed {packed.path.name}: {len(packed.packed.data):,} bytes; the best stock compressor {least:,}")
        plan = Plan(threads=recipe.profile.threads, cores=recipe.profile.cores, processes=recipe.profile.processes)
        tell(f"Measuring on {', '.join(recipe.profile.devices)}")
        profiled = profile_run(run, devices=recipe.profile.devices, plan=plan, on_progress=on_progress)
    return run, verification, profiled.failures
