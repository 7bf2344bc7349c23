"""Whose a run folder is: which of the trainings in it stay valid when a recipe comes, and what must go."""

from __future__ import annotations

import shutil
from pathlib import Path

from edgecompress.errors import RunFolderError
from edgecompress.recipes import Recipe, load_recipe, to_toml
from edgecompress.runs.folder import FORMAT, RunFolder
from edgecompress.storage import write_text
from edgecompress.values import DataRecord

DENSE = ("model", "train")  # what the dense training depends on, beside the images, which are told by their hash
TRAINING = (*DENSE, "compress")
CHAIN_MODELS = ("compressed*", "step_*")
OTHER_FOLDER = "or choose another folder with --out."


def held_recipe(run: RunFolder) -> Recipe | None:
    """Return the recipe of the run in the folder, if there is one that has come to anything."""
    return load_recipe(run.recipe) if run.recipe.exists() and _holds_something(run) else None


def same(one: Recipe, other: Recipe, sections: tuple[str, ...] = TRAINING) -> bool:
    """Return whether two recipes agree in these sections."""
    return all(getattr(one, name) == getattr(other, name) for name in sections)


def claim(run: RunFolder, recipe: Recipe, data: DataRecord, *, resume: bool) -> tuple[str, ...]:
    """Take the folder for a training; return the names of what an earlier chain had made, and which is removed.

    A folder in which nothing was finished is free. One with the same dense training is taken for another chain: what
    is valid of its checkpoints is used. What was emitted of the earlier chain is removed only where `resume` says so.

    Raises:
        RunFolderError: it holds another run, one that is not to be resumed, or what is no run.
    """
    held = held_recipe(run)
    gone: list[Path] = []
    if held is None:
        _require_free(run)
        release(run)
    elif run.format != FORMAT:
        raise RunFolderError(
            f"'{run.path}' holds a run of an earlier version, which trained models of Keras 2: its training cannot be "
            "gone on with. It can still be converted, verified, reported and packed.",
            hint=f"Train anew, {OTHER_FOLDER}",
        )
    elif not same(held, recipe, DENSE):
        raise RunFolderError(
            f"'{run.path}' holds a run of another recipe: {_difference(held, recipe)}.",
            hint=f"Compare with {run.recipe}, {OTHER_FOLDER}",
        )
    elif held.data.fit != recipe.data.fit:
        raise RunFolderError(
            f"'{run.path}' was trained on images that were fitted to the model by '{held.data.fit}', not "
            f"'{recipe.data.fit}'.",
            hint=f"Say --fit {held.data.fit}, {OTHER_FOLDER}",
        )
    elif run.read_data().sha256 != data.sha256 if run.has("data") else held.data != recipe.data:
        raise RunFolderError(
            f"'{run.path}' was trained on images of '{held.data.name}'; '{data.name}' ({data.source}) has others now.",
            hint=f"Give it the data of then, {OTHER_FOLDER}",
        )
    elif same(held, recipe):
        if not resume:
            raise RunFolderError(
                f"'{run.path}' holds a run already.", hint=f"Continue it with --resume, {OTHER_FOLDER}"
            )
    else:
        gone = _made_by_chain(run)
        emitted = [str(path.relative_to(run.path)) for path in gone if path.parent == run.artifacts]
        if emitted and not resume:
            raise RunFolderError(
                f"'{run.path}' holds a run with another chain of methods, and files that were emitted of it: "
                f"{', '.join(emitted)}.",
                hint="With --resume its dense training is kept, the chain is made anew, and these files are removed; "
                f"{OTHER_FOLDER}",
            )
    _remove(run, gone)
    kept = {} if held is None else {name: getattr(held, name) for name in ("convert", "verify", "profile", "pack")}
    write_text(run.recipe, to_toml(recipe.model_copy(update=kept)))
    return tuple(str(path.relative_to(run.path)) for path in gone)


def release(run: RunFolder) -> None:
    """Remove what marks the folder as a run's, if nothing in it was finished."""
    if not _holds_something(run):
        for path in (run.recipe, run.history, run.path / "data.json", run.manifest):
            path.unlink(missing_ok=True)


def _holds_something(run: RunFolder) -> bool:
    """Return whether an epoch was finished, a model saved or a file emitted."""
    return any(run.checkpoints.glob("*/last.npz")) or any((run.path / "models").glob("*.*")) or run.has("artifacts")


def _require_free(run: RunFolder) -> None:
    own = {run.recipe, run.history, run.path / "data.json", run.manifest}
    if any(path not in own and not path.is_dir() for path in run.path.rglob("*")):  # empty folders hold nothing
        raise RunFolderError(f"'{run.path}' is not empty and not a run.", hint="Choose another folder with --out.")


def _difference(held: Recipe, recipe: Recipe) -> str:
    """Name the first key that differs, and both values."""
    for section in DENSE:
        one, other = getattr(held, section), getattr(recipe, section)
        for key in type(one).model_fields:
            if getattr(one, key) != getattr(other, key):
                return f"[{section}] {key} is {getattr(one, key)!r} there and {getattr(other, key)!r} here"
    return "it differs"


def _made_by_chain(run: RunFolder) -> list[Path]:
    models = [path for pattern in CHAIN_MODELS for path in sorted((run.path / "models").glob(pattern))]
    artifacts = run.read_artifacts() if run.has("artifacts") else []
    emitted = [run.path / artifact.path for artifact in artifacts if artifact.variant != "dense"]
    records = [run.path / f"{name}.json" for name in ("notes", "verification") if run.has(name)]
    folders = [folder for folder in (run.path / "report", run.packed) if folder.is_dir()]
    inside = [path for path in emitted if path.parent == run.artifacts]  # whatever a damaged list may name
    return [*models, *inside, *records, *folders]


def _remove(run: RunFolder, gone: list[Path]) -> None:
    if not gone:
        return
    if run.has("artifacts"):
        run.write("artifacts", [artifact for artifact in run.read_artifacts() if artifact.variant == "dense"])
    for path in gone:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
