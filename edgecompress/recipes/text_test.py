"""Recipes: the round trip, and every way in which a person can get one wrong."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import pytest

from edgecompress.errors import ArchitectureError, RecipeError
from edgecompress.methods import METHODS
from edgecompress.methods.composition import Chain, only, repeat, together, trained
from edgecompress.methods.pruning import IterativePruning, MagnitudePruning
from edgecompress.methods.sharing import KMeansSharing
from edgecompress.recipes import CompressSection, ModelSection, load_recipe, method_of, parse_recipe, to_toml
from edgecompress.zoo import ARCHITECTURES

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
    pruning, quantization = method.plan()
    assert pruning.step.sparsity == 0.8 and pruning.layers == ("conv_pw_.*",)
    assert quantization.step.name == "quantization_aware_training" and quantization.epochs == 3


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
        ('architecture = "mobilenet_v1"', "", r"\[model\] has no architecture"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(RecipeError, match=message):
        parse_recipe(GOOD.replace(old, new))


SMALL = '[model]\narchitecture = "lenet_5"\n[data]\nname = "digits"\n'


@pytest.mark.parametrize(
    "model",
    [
        '[model]\narchitecture = "mobilenet_v1"\n[model.options]\nwidth = 0.25\nstem_stride = 1\n',
        '[model]\narchitecture = "mobilenet_v1"\nwidth = 0.25\n[model.options]\nstem_stride = 1\n',
        '[model]\narchitecture = "mobilenet_v1"\nwidth = 0.25\nstem_stride = 1\n',
    ],
)
def test_options_count_wherever_they_stand(model: str) -> None:
    step = '[[compress]]\nmethod = "magnitude_pruning"\nsparsity = 0.5\n[compress.options]\nschedule = "constant"\n'
    recipe = parse_recipe(f'{model}[data]\nname = "digits"\n{step}')
    assert recipe.model.options == {"width": 0.25, "stem_stride": 1}
    assert recipe.compress[0].options == {"sparsity": 0.5, "schedule": "constant"}
    assert parse_recipe(to_toml(recipe)) == recipe


def test_no_option_has_the_name_of_a_key_of_its_table() -> None:
    """Else the resolved recipe, in which options stand beside the keys, could not be read back."""
    for method in METHODS:
        assert not {field.name for field in fields(method)} & set(CompressSection.model_fields), method.name
    for architecture in ARCHITECTURES:
        assert not {option.name for option in architecture.options} & {*ModelSection.model_fields, "classes"}


def test_a_step_that_is_repeated_is_so_many_with_what_is_due_in_each_round() -> None:
    text = GOOD.partition("[[compress]]")[0]
    step = '[[compress]]\nmethod = "magnitude_pruning"\nrepeat = 3\nepochs = 2\nlayers = "conv.*"\nsparsity = 0.875\n'
    recipe = parse_recipe(text + step)
    assert [section.method for section in recipe.compress] == ["magnitude_pruning"] * 3
    assert [section.epochs for section in recipe.compress] == [2] * 3
    # Each round removes the same share of what is left: the cube root of an eighth stays.
    assert [section.options["sparsity"] for section in recipe.compress] == pytest.approx([0.5, 0.75, 0.875])
    assert parse_recipe(to_toml(recipe)) == recipe
    once = trained(only(MagnitudePruning(sparsity=0.875), layers="conv.*"), epochs=2, learning_rate=1e-3)
    assert method_of(recipe).plan() == repeat(once, rounds=3).plan()


TOGETHER = """
[[compress]]
method = "iterative_pruning"
layers = "conv.*"
sparsity = 0.75
epochs = 3
repeat = 2
together = [{ method = "kmeans_sharing", clusters = 8, layers = "fc.*" }]
"""


def test_methods_that_are_trained_together_are_one_step() -> None:
    recipe = parse_recipe(SMALL + TOGETHER)
    assert parse_recipe(to_toml(recipe)) == recipe
    assert [section.options["sparsity"] for section in recipe.compress] == pytest.approx([0.5, 0.75])
    pruning = only(IterativePruning(sparsity=0.75), layers="conv.*")
    sharing = only(KMeansSharing(clusters=8), layers="fc.*")
    both = trained(together(pruning, sharing), epochs=3, learning_rate=1e-3)
    assert method_of(recipe).plan() == repeat(both, rounds=2).plan()
    alone = parse_recipe(f'{SMALL}[[compress]]\nmethod = "bnn"\n')
    assert "together" not in to_toml(alone)


@pytest.mark.parametrize(
    ("partners", "message"),
    [
        ('[{ method = "kmeans_shering" }]', "Did you mean 'kmeans_sharing'"),
        ('[{ method = "kmeans_sharing", cluster = 3 }]', "has no option 'cluster'. Did you mean 'clusters'"),
        ('[{ method = "magnitude_pruning" }]', "magnitude_pruning cannot be trained together"),
        ('[{ method = "kmeans_sharing", epochs = 3 }]', "has no option 'epochs'"),
        ('["kmeans_sharing"]', "'together' must be a table"),
        ('"kmeans_sharing"', "compress.0.together"),
    ],
)
def test_what_cannot_be_trained_together_is_refused(partners, message) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_recipe(f'{SMALL}[[compress]]\nmethod = "iterative_pruning"\ntogether = {partners}\n')


def test_what_trains_nothing_has_no_epochs() -> None:
    recipe = parse_recipe(f'{SMALL}[[compress]]\nmethod = "bnn"\n[[compress]]\nmethod = "bnn"\nepochs = 7\n')
    assert [section.epochs for section in recipe.compress] == [2, 7]
    recipe = parse_recipe(f'{SMALL}[[compress]]\nmethod = "product_quantization"\n')
    assert (recipe.compress[0].epochs, recipe.compress[0].learning_rate) == (None, None)
    assert parse_recipe(to_toml(recipe)) == recipe


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("[train]\nseed = 4294967296", "train.seed: .* less than 4294967296"),
        ("[train]\nlearning_rate = inf", "train.learning_rate: .* finite number"),
        ("[train]\nlearning_rate = nan", "train.learning_rate: .* finite number"),
        ("[verify]\nmax_drop = nan", "verify.max_drop: .* finite number"),
        ("[profile]\nthreads = [0]", "greater than or equal to 1"),
        ("[profile]\nthreads = []", "at least 1 item"),
        ('[[compress]]\nmethod = "iterative_pruning"\nquality = inf', "quality inf"),
        ('[[compress]]\nmethod = "kmeans_sharing"\nseed = 4294967296', "seed 4294967296"),
        ('[[compress]]\nmethod = "iterative_pruning"\nsparsities = {"fc" = nan}', "sparsities nan"),
        (
            '[[compress]]\nmethod = "magnitude_pruning"\nsparsity = 0.5\n[compress.options]\nsparsity = 0.6',
            "Give it once",
        ),
        ('[[compress]]\nmethod = "magnitude_pruning"\nn_of_m = "2:4"\nsparsity = 0.9', "from which it follows"),
        ('[[compress]]\nmethod = "magnitude_pruning"\noptions = 3', "'compress.options' must be a table"),
        ("[model.options]\nclasses = 5", "[Tt]able|has no option 'classes'"),
    ],
)
def test_figures_that_no_training_can_use_are_refused(more: str, message: str) -> None:
    text = SMALL.replace("[data]", f"{more}\n[data]") if more.startswith("[model") else f"{SMALL}{more}\n"
    with pytest.raises((RecipeError, ArchitectureError), match=message):
        try:
            parse_recipe(text)
        except RecipeError as error:
            raise RecipeError(str(error)) from error


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000, "a = 1\na = 2"])
def test_toml_that_no_reader_takes_is_a_sentence(text: str) -> None:
    with pytest.raises(RecipeError, match="is not TOML"):
        parse_recipe(text)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    for path in (tmp_path / "pipe.toml", tmp_path, Path("/dev/zero")):
        with pytest.raises(RecipeError, match=r"it is (a folder|no file)"):
            load_recipe(path)


def test_a_missing_or_binary_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="Cannot read the recipe"):
        load_recipe(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="Cannot read the recipe"):
        load_recipe(tmp_path / "binary.toml")


def test_the_project_s_own_recipes_are_valid() -> None:
    recipes = sorted((Path(__file__).parents[2] / "models").glob("*/recipes/*.toml"))
    assert recipes
    for path in recipes:
        load_recipe(path)
