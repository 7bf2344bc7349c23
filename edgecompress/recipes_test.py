"""Recipes: the round trip, and every way in which a person can get one wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecompress.errors import RecipeError
from edgecompress.methods.base import Chain
from edgecompress.recipes import load_recipe, method_of, parse_recipe, to_toml

GOOD = """
[model]
architecture = "mobilenet_v1"
width = 0.25
resolution = 32

[data]
name = "digits"

[[compress]]
method = "magnitude_pruning"
sparsity = 0.8
block = [4, 1]
layers = "conv_pw_.*"

[[compress]]
method = "quantization_aware_training"
epochs = 3
"""


def test_resolved_recipe_reads_back_to_an_equal_one() -> None:
    recipe = parse_recipe(GOOD)
    assert parse_recipe(to_toml(recipe)) == recipe
    assert recipe.model.options == {"width": 0.25}
    assert recipe.compress[1].epochs == 3


def test_the_chain_is_the_one_described() -> None:
    method = method_of(parse_recipe(GOOD))
    assert isinstance(method, Chain)
    pruning, quantization = method.steps()
    assert pruning.step.sparsity == 0.8 and pruning.layers == "conv_pw_.*"
    assert quantization.name == "quantization_aware_training"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[model]", "[modle]", r"unknown key 'modle'. Did you mean 'model'\?"),
        ("epochs = 3", "epoch = 3", r"no option 'epoch'"),
        ('name = "digits"', 'nam = "digits"', r"unknown key 'data.nam'. Did you mean 'name'\?"),
        ("sparsity = 0.8", "sparsty = 0.8", r"no option 'sparsty'. Did you mean 'sparsity'\?"),
        ("sparsity = 0.8", "sparsity = 1.5", "sparsity 1.5"),
        ("sparsity = 0.8", 'sparsity = "much"', "sparsity.*'much'"),
        ("magnitude_pruning", "magnitud_pruning", "Did you mean 'magnitude_pruning'"),
        ("epochs = 3", "epochs = 0", "greater than or equal to 1"),
        ("resolution = 32", "resolution = -1", "resolution"),
        ("[data]", "[data", "is not TOML"),
        ('layers = "conv_pw_.*"', 'layers = "("', "not a regular expression"),
        ('architecture = "mobilenet_v1"', "", "architecture: Field required"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(RecipeError, match=message):
        parse_recipe(GOOD.replace(old, new))


def test_a_missing_or_binary_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="Cannot read the recipe"):
        load_recipe(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="Cannot read the recipe"):
        load_recipe(tmp_path / "binary.toml")


def test_the_project_s_own_recipes_are_valid() -> None:
    recipes = sorted((Path(__file__).parents[1] / "models").glob("*/recipes/*.toml"))
    assert recipes
    for path in recipes:
        load_recipe(path)
