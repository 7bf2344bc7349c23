"""Recipes as text: read from TOML, and written as such."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edgecompress.errors import MethodError, RecipeError
from edgecompress.recipes.faults import explained
from edgecompress.recipes.methods import method_of
from edgecompress.recipes.resolution import resolved
from edgecompress.recipes.sections import CompressSection, MethodSection, ModelSection, Recipe
from edgecompress.zoo import find as find_architecture

MOST_BYTES = 1 << 20  # of a recipe's file


def load_recipe(path: Path) -> Recipe:
    """Read a recipe from a TOML file.

    Raises:
        RecipeError: no such file, not TOML, an unknown key (the nearest known one is named), or a value out of range.
    """
    try:
        if path.exists() and not path.is_file():  # a device or a pipe might never end
            raise RecipeError(f"Cannot read the recipe '{path}': it is {'a folder' if path.is_dir() else 'no file'}.")
        if path.stat().st_size > MOST_BYTES:
            raise RecipeError(f"Cannot read the recipe '{path}': it is larger than {MOST_BYTES >> 20} MiB.")
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"Cannot read the recipe '{path}': {error}.") from error
    return parse_recipe(text, origin=str(path))


def parse_recipe(text: str, *, origin: str = "recipe") -> Recipe:
    """Read a recipe from TOML text; `origin` names it in errors."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:  # the last: a number of too many digits
        raise RecipeError(f"'{origin}' is not TOML: {error}.") from error
    return build_recipe(_with_options(document, origin), origin=origin)


def build_recipe(document: dict[str, Any], *, origin: str = "options") -> Recipe:
    """Return the recipe that nested dictionaries describe, with the architecture's options and the methods' figures.

    Raises:
        RecipeError: an unknown key (the nearest known one is named), or a value out of range.
        ArchitectureError: there is no such architecture, or it has no such option.
    """
    try:
        recipe = resolved(Recipe.model_validate(document), origin)
        if recipe.model.architecture:
            find_architecture(recipe.model.architecture).checked(recipe.model.options)
        method_of(recipe)
        to_toml(recipe).encode()
    except UnicodeEncodeError as error:
        near = error.object[max(0, error.start - 20) : error.end + 20]
        raise RecipeError(f"'{origin}' holds text that is not UTF-8: {near!r}.") from error
    except ValidationError as error:
        raise RecipeError(f"'{origin}': {explained(error)}") from error
    except MethodError as error:
        raise RecipeError(f"'{origin}': {error.message}", hint=error.hint) from error
    return recipe


def to_toml(recipe: Recipe) -> str:
    """Return the recipe, resolved, as TOML that `parse_recipe` reads back to an equal one."""
    import tomli_w

    document = recipe.model_dump(mode="json", exclude_none=True)
    document["model"] |= document["model"].pop("options")
    for step in document["compress"]:
        del step["repeat"]  # the rounds stand there one by one
        for table in (step, *step.get("together", ())):
            table |= table.pop("options")
    return tomli_w.dumps(document)


def _with_options(document: dict[str, Any], origin: str) -> dict[str, Any]:
    """Move the keys of `model` and `compress` tables that are not their own to those that stand below `options`."""
    own = {
        "model": set(ModelSection.model_fields),
        "compress": set(CompressSection.model_fields),
        "together": set(MethodSection.model_fields),
    }

    def split(name: str, table: Any) -> Any:
        if not isinstance(table, dict):
            raise RecipeError(f"'{origin}': '{name}' must be a table.", hint=f"Write it as [{name}].")
        table = dict(table)
        options = {key: table.pop(key) for key in list(table) if key not in own[name]}
        given = table.get("options", {})
        if not isinstance(given, dict):
            raise RecipeError(f"'{origin}': '{name}.options' must be a table.", hint=f"Write it as [{name}.options].")
        if twice := sorted(options.keys() & given.keys()):
            raise RecipeError(f"'{origin}': '{twice[0]}' is in '{name}' and in '{name}.options'.", hint="Give it once.")
        if isinstance(table.get("together"), list):
            table["together"] = [split("together", each) for each in table["together"]]
        return {**table, "options": options | given}

    moved = dict(document)
    if "model" in moved:
        moved["model"] = split("model", moved["model"])
    if isinstance(moved.get("compress"), list):
        moved["compress"] = [split("compress", table) for table in moved["compress"]]
    return moved
