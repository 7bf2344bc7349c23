"""Recipes: one typed TOML file that says what to build, train, compress, convert, verify and profile."""

from edgecompress.recipes.methods import method_of
from edgecompress.recipes.sections import (
    CompressSection,
    DataSection,
    MethodSection,
    ModelSection,
    Recipe,
    TrainSection,
)
from edgecompress.recipes.text import build_recipe, load_recipe, parse_recipe, to_toml

__all__ = [
    "CompressSection",
    "DataSection",
    "MethodSection",
    "ModelSection",
    "Recipe",
    "TrainSection",
    "build_recipe",
    "load_recipe",
    "method_of",
    "parse_recipe",
    "to_toml",
]
