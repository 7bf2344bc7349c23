"""Every method can be seen and reached from the command line, without training here."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from edgecompress.cli.main import group
from edgecompress.cli.train import _recipe
from edgecompress.cli.train import command as train
from edgecompress.errors import MethodError
from edgecompress.methods import METHODS
from edgecompress.recipes import method_of


def said(*arguments: str) -> str:
    result = CliRunner().invoke(group, ["methods", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def recipe(*arguments: str):
    context = train.make_context("train", ["lenet_5", *arguments])
    options = {name: value for name, value in context.params.items() if name not in ("network", "out", "resume")}
    return _recipe("lenet_5", options, set())


def test_all_are_listed_in_order() -> None:
    lines = [line.split() for line in said().splitlines()[2:]]
    assert [line[0] for line in lines if line] == [method.name for method in METHODS]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_one_is_shown_with_its_paper_and_options(method) -> None:
    text, found = said(method.name), json.loads(said(method.name, "--json"))
    assert method.paper in text and all(f"\n  {name} " in text for name in found["options"])
    assert all(option["meaning"] for option in found["options"].values())
    assert set(found["makes"]) | set(found["keeps"]) or not found["trains"]


@pytest.mark.parametrize(
    ("short", "long"),
    [
        (
            ["--prune", "0.5", "--qat"],
            ["magnitude_pruning(sparsity=0.5, schedule='polynomial')", "quantization_aware_training"],
        ),
        (["--cluster", "8", "--layers", "conv.*"], ["weight_clustering(clusters=8, layers='conv.*')"]),
        (["--binary", "bnn", "--keep-float", "a"], ["bnn(keep_float='a')"]),
    ],
)
def test_the_short_forms_are_forms_of_it(short, long) -> None:
    written = [word for text in long for word in ("--method", text)]
    assert method_of(recipe(*short)) == method_of(recipe(*written))


def test_a_step_has_its_own_length_or_that_of_all() -> None:
    steps = recipe(
        *("--epochs", "10", "--finetune-epochs", "3", "--method", "weight_clustering(epochs=7, learning_rate=0.1)"),
        *("--method", "bwn(epochs=2)", "--method", "bwn"),
    ).compress
    assert [step.epochs for step in steps] == [7, 2, 3]
    assert [step.learning_rate for step in steps] == [0.1, 1e-3, 1e-3]


def test_what_trains_nothing_has_no_length() -> None:
    (step,) = recipe("--method", "product_quantization(words=4)").compress
    assert (step.epochs, step.learning_rate) == (None, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("magnitude_prunin", "Did you mean 'magnitude_pruning'"),
        ("magnitude_pruning(sparsity=", "is no method"),
        ("magnitude_pruning(sparsity=open('x'))", "a number, a text in quotes or a list was expected"),
    ],
)
def test_what_is_no_method_is_refused(text, message) -> None:
    with pytest.raises(MethodError, match=message) as caught:
        recipe("--method", text)
    assert caught.value.hint
