"""The network that a recipe describes."""

from __future__ import annotations

from edgecompress.errors import ModelFileError, RecipeError
from edgecompress.keras_bridge.head import with_end
from edgecompress.keras_types import Model
from edgecompress.pipeline.networks.network import Network
from edgecompress.pipeline.networks.own import own_network
from edgecompress.recipes import Recipe
from edgecompress.storage import sha256_of
from edgecompress.values import LayerNote
from edgecompress.zoo import find
from edgecompress.zoo.weights import load_weights, weights_file


def network_of(recipe: Recipe) -> Network:
    """Return the network of a recipe.

    Raises:
        ArchitectureError: there is no such architecture.
        ModelFileError, UntrustedCodeError, UnsupportedModelError: the file cannot be used.
        RecipeError: what must be known of it is not said.
    """
    section = recipe.model
    if section.file:
        return own_network(section)
    architecture = find(section.architecture)
    resolution = section.resolution or architecture.default_resolution

    def construct(channels: int, outputs: int, end: str) -> tuple[Model, tuple[LayerNote, ...]]:
        model = architecture.build(resolution=resolution, channels=channels, classes=outputs, **section.options)
        notes = load_weights(model, section.weights) if section.weights else ()
        return with_end(model, end), notes

    return Network((resolution, resolution), section.channels, architecture.input_range, construct)


def pinned(recipe: Recipe) -> Recipe:
    """Return the recipe with the hash of the model's file, by which it is known again.

    Raises:
        ModelFileError: there is no such file.
        RecipeError: it is another one than the recipe was written for.
    """
    section = recipe.model
    if not section.file:
        return recipe
    path = weights_file(section.file)
    if path.exists() and not path.is_file():  # a pipe might never end
        raise ModelFileError(f"Cannot read '{section.file}': it is {'a folder' if path.is_dir() else 'no file'}.")
    try:
        found = sha256_of(path)
    except OSError as error:
        raise ModelFileError(f"Cannot read '{section.file}': {error}.") from error
    if section.sha256 not in ("", found):
        raise RecipeError(
            f"'{section.file}' is not the file that the recipe was written for: its SHA-256 is {found}, not "
            f"{section.sha256}.",
            hint="Bring that file back, or leave sha256 out of the recipe.",
        )
    return recipe.model_copy(update={"model": section.model_copy(update={"sha256": found})})
