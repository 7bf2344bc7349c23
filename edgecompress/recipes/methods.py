"""A recipe's chain of methods, and what is wrong with what it says of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from edgecompress.errors import MethodError
from edgecompress.methods import find
from edgecompress.methods.composition import chain, only, together, trained
from edgecompress.methods.step import Method, Step
from edgecompress.recipes.faults import explained
from edgecompress.recipes.sections import CompressSection, MethodSection, Recipe
from edgecompress.suggest import suggest
from edgecompress.zoo import find as find_architecture

LARGEST = 1 << 31  # whole number that a method's figure may be


def method_of(recipe: Recipe) -> Method:
    """Return the chain of methods that the recipe describes.

    Layers that the architecture names as such stay real where a method makes the others binary.

    Raises:
        ArchitectureError: there is no such architecture.
        MethodError: an unknown method or option, or a figure out of range.
    """
    real = find_architecture(recipe.model.architecture).keep_float if recipe.model.architecture else ""
    return chain(*(_step_of(section, real) for section in recipe.compress))


def built(kind: type[Step], options: dict[str, Any]) -> Step:
    """Return a method with these options.

    Raises:
        MethodError: it has no such option, or a figure is out of range.
    """
    known = [entry.name for entry in fields(kind)]
    for key, value in options.items():
        if key not in known:
            raise MethodError(f"{kind.name} has no option '{key}'.", hint=suggest(key, known))
        for number in _numbers(value):
            if not abs(number) < LARGEST:
                raise MethodError(f"{kind.name} got {key} {number}.", hint="Give a finite number of usual size.")
    try:
        return TypeAdapter(kind).validate_python(options)
    except ValidationError as error:
        raise MethodError(f"{kind.name}: {explained(error)}") from error


def _numbers(value: Any) -> Iterator[float]:
    """Yield the numbers in an option, whatever it is made of."""
    if isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _numbers(each)
    elif isinstance(value, int | float):
        yield value


def _step_of(section: CompressSection, keep_float: str) -> Method:
    def single(each: MethodSection) -> Method:
        step = built(find(each.method), each.options)
        method = step.keeping_float(keep_float) if keep_float else step
        return only(method, layers=each.layers) if each.layers else method

    method = together(*map(single, section.methods))
    if find(section.method).traits.trains:
        method = trained(method, epochs=section.epochs, learning_rate=section.learning_rate)
    return method
