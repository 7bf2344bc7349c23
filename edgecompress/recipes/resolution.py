"""What a recipe leaves unsaid, resolved: how the model at hand is usually trained, and what is due in each round."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter

from edgecompress.errors import RecipeError
from edgecompress.methods import find
from edgecompress.methods.step import Step
from edgecompress.recipes.methods import built
from edgecompress.recipes.sections import CompressSection, MethodSection, ModelSection, Recipe, TrainSection
from edgecompress.suggest import suggest

EPOCHS, LEARNING_RATE = 2, 1e-3  # of a method that trains, where they are not given
# What is trained already is only to be adapted, by steps that do not destroy it; a new classifier has all to learn, and
# would destroy what is below it by its first steps. Methods change weights themselves, and take their usual steps.
FINE_TUNING = {"epochs": 2, "learning_rate": 2e-4}
NEW_HEAD = {"epochs": 8, "freeze": ".*", "unfreeze_epochs": 4}
OF_ARCHITECTURE, OF_FILE = ("channels", "weights", "options"), ("sha256", "input_range", "new_head")


def resolved(given: Recipe, origin: str) -> Recipe:
    """Return the recipe with all its figures; `origin` names it in errors.

    Raises:
        RecipeError: it names no model or two, or says of one what is for the other kind.
        MethodError: an unknown method or option, or a figure out of range.
    """
    _require_one_model(given.model, origin)
    steps = (_resolved(each) for section in given.compress for each in _rounds(section))
    return given.model_copy(update={"train": _trained(given), "compress": tuple(steps)})


def _require_one_model(section: ModelSection, origin: str) -> None:
    """Raise `RecipeError` unless there is an architecture or a file, with what is said of such a model and no other."""
    if not section.architecture and not section.file and section.options:
        unknown = next(iter(section.options))  # what is no key of the table is taken for an architecture's option
        raise RecipeError(
            f"'{origin}': [model] has no architecture and no file; what is '{unknown}'?",
            hint=suggest(unknown, list(ModelSection.model_fields)),
        )
    if bool(section.architecture) == bool(section.file):
        raise RecipeError(
            f"'{origin}': [model] has {'both an architecture and a file' if section.file else 'no architecture'}.",
            hint="Name an architecture, as `edgecompress zoo` lists them, or the file of a Keras model.",
        )
    for name in OF_ARCHITECTURE if section.file else OF_FILE:
        if (given := getattr(section, name)) != ModelSection.model_fields[name].default:
            name = next(iter(given)) if name == "options" else name
            kind, other = ("a file", "an architecture") if section.file else ("an architecture", "a file")
            raise RecipeError(f"'{origin}': [model] names {kind}, and '{name}' is for {other}.", hint="Leave it out.")


def _trained(recipe: Recipe) -> TrainSection:
    """Return how to train, where it is not said as is usual for such a model."""
    if not recipe.model.file:
        return recipe.train
    usual = NEW_HEAD if recipe.model.new_head else FINE_TUNING
    given = recipe.train.model_fields_set
    return recipe.train.model_copy(update={name: value for name, value in usual.items() if name not in given})


def _resolved(section: CompressSection) -> CompressSection:
    """Return the step with its epochs and learning rate, where its method trains."""
    if not find(section.method).traits.trains:
        return section
    chosen = {"epochs": section.epochs or EPOCHS, "learning_rate": section.learning_rate or LEARNING_RATE}
    return section.model_copy(update=chosen)


def _rounds(section: CompressSection) -> tuple[CompressSection, ...]:
    """Return the step once for each round, with what is due in it of its budget."""
    if section.repeat == 1:
        return (section,)

    def due(each: MethodSection, number: int) -> dict[str, Any]:
        return _options(built(find(each.method), each.options).in_round(number, section.repeat))

    def of_round(number: int) -> CompressSection:
        others = tuple(each.model_copy(update={"options": due(each, number)}) for each in section.together)
        return section.model_copy(update={"repeat": 1, "options": due(section, number), "together": others})

    return tuple(map(of_round, range(1, section.repeat + 1)))


def _options(step: Step) -> dict[str, Any]:
    """Return the options that are not the defaults, as a recipe has them."""
    values = {entry.name: getattr(step, entry.name) for entry in fields(step)}
    return TypeAdapter(dict[str, Any]).dump_python(
        {name: value for name, value in values.items() if value != getattr(type(step)(), name)}, mode="json"
    )
