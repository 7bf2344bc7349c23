"""The stages of a run: what each is called, and where its checkpoint lies."""

from __future__ import annotations

import hashlib
import json

from edgecompress.methods.step import Stage
from edgecompress.recipes import Recipe
from edgecompress.storage import sha256_of
from edgecompress.training.batches import steps_per_epoch
from edgecompress.zoo.weights import weights_file


def stage_name(recipe: Recipe, steps: int) -> str:
    """Return what a stage is called with which so many steps of the chain are done; 0 is the dense training."""
    return f"{steps}-{'+'.join(each.method for each in recipe.compress[steps - 1].methods)}" if steps else "dense"


def stage_folder(recipe: Recipe, steps: int, data_sha256: str, *, name: str) -> str:
    """Return the name of a stage's folder, after all that its weights depend on, so that no checkpoint is mistaken."""
    model = recipe.model
    depends_on = {
        "model": model.model_dump(mode="json"),
        "weights": "" if model.weights in ("", "imagenet") else sha256_of(weights_file(model.weights)),
        "data": data_sha256,
        "fit": recipe.data.fit,
        "train": recipe.train.model_dump(mode="json"),
        "compress": [section.model_dump(mode="json") for section in recipe.compress[:steps]],
    }
    digest = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()
    return f"{name}-{digest[:12]}"


def optimizer_steps(recipe: Recipe, stage: Stage, images: int) -> int:
    """Return how many optimizer steps a stage of the recipe's chain takes with so many images to train on."""
    return (stage.epochs or 0) * steps_per_epoch(images, recipe.train.batch_size)
