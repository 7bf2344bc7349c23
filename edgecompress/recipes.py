"""Recipes: one typed TOML file that says what to build, train, compress, convert, verify and profile."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    model_serializer,
)

from edgecompress.errors import MethodError, RecipeError
from edgecompress.methods import find
from edgecompress.methods.composition import chain, only, together, trained
from edgecompress.methods.step import Method, Step
from edgecompress.suggest import suggest
from edgecompress.zoo import find as find_architecture

Scalar = bool | int | float | str
MOST_EPOCHS = 100_000
MOST_ROUNDS = 100
MOST_BYTES = 1 << 20  # of a recipe's file
LARGEST = 1 << 31  # whole number that a method's figure may be
EPOCHS, LEARNING_RATE = 2, 1e-3  # of a method that trains, where they are not given


class Section(BaseModel):
    """A table of a recipe; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelSection(Section):
    """What to build. `options` are those of the architecture, such as width or version."""

    architecture: str
    resolution: int | None = Field(default=None, ge=1)  # None: the architecture's own
    channels: Literal[1, 3] | None = None  # None: the data set's
    weights: str = ""  # "imagenet" or a file
    options: dict[str, Scalar] = {}


class DataSection(Section):
    """What to train on and to test with."""

    name: str  # "digits", "fashion_mnist", "folder:PATH", ...
    directory: str = ""  # where to look first


class TrainSection(Section):
    """How to train the dense model; the methods share all but the epochs and the learning rate."""

    epochs: int = Field(default=8, ge=0, le=MOST_EPOCHS)
    batch_size: int = Field(default=128, ge=1, le=1 << 20)
    learning_rate: float = Field(default=2e-3, gt=0, le=1000)
    warmup_epochs: float = Field(default=0.5, ge=0, le=MOST_EPOCHS)
    seed: int = Field(default=0, ge=0, lt=1 << 32)
    shift: int = Field(default=0, ge=0, le=1024)  # these four change the images in each epoch: see Augmentation
    crop: float = Field(default=1.0, ge=0.1, le=1)
    flip: bool = False
    colour: float = Field(default=0.0, ge=0, le=1)


class MethodSection(Section):
    """A method. `options` are its own figures."""

    method: str
    layers: str = ""  # regular expression; empty: all that the method can treat
    options: dict[str, Any] = {}


class CompressSection(MethodSection):
    """One step of the chain: a method, and those that are trained `together` with it.

    Epochs and learning rate are resolved where the method trains; one that trains nothing has neither. A step that is
    to be repeated is resolved to so many, each with the figures that are due in its round.
    """

    epochs: int | None = Field(default=None, ge=1, le=MOST_EPOCHS)
    learning_rate: float | None = Field(default=None, gt=0, le=1000)
    repeat: int = Field(default=1, ge=1, le=MOST_ROUNDS)
    together: tuple[MethodSection, ...] = ()

    @property
    def methods(self) -> tuple[MethodSection, ...]:
        """The methods that are trained as one."""
        return (self, *self.together)

    @model_serializer(mode="wrap")
    def _without_empty_company(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if name != "together" or value}


class ConvertSection(Section):
    """What to emit."""

    targets: tuple[str, ...] = ("tflite:float32", "tflite:int8", "onnx:float32", "onnx:int8")
    io: Literal["float32", "int8", "uint8"] = "float32"
    calibration: int = Field(default=200, ge=1)  # images of the training split
    keep_float: str = ""  # regular expression over layer names
    sparse: bool = False


class VerifySection(Section):
    """What must hold."""

    limit: int = Field(default=0, ge=0)  # test images; 0: all
    max_drop: float | None = Field(default=None, ge=0)  # percentage points below the dense Keras model


class ProfileSection(Section):
    """Where and how to measure."""

    devices: tuple[str, ...] = ("local",)
    threads: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(default=(1,), min_length=1)
    cores: str = "all"  # or "prime", "big", "mid", "little", a mask
    processes: int = Field(default=3, ge=1, le=1000)


class Recipe(Section):
    """Everything that a run needs to be repeated."""

    model: ModelSection
    data: DataSection
    train: TrainSection = TrainSection()
    compress: tuple[CompressSection, ...] = ()
    convert: ConvertSection = ConvertSection()
    verify: VerifySection = VerifySection()
    profile: ProfileSection = ProfileSection()


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
        given = Recipe.model_validate(document)
        steps = (_resolved(each) for section in given.compress for each in _rounds(section))
        recipe = given.model_copy(update={"compress": tuple(steps)})
        find_architecture(recipe.model.architecture).checked(recipe.model.options)
        method_of(recipe)
        to_toml(recipe).encode()
    except UnicodeEncodeError as error:
        near = error.object[max(0, error.start - 20) : error.end + 20]
        raise RecipeError(f"'{origin}' holds text that is not UTF-8: {near!r}.") from error
    except ValidationError as error:
        raise RecipeError(f"'{origin}': {_explain(error)}") from error
    except MethodError as error:
        raise RecipeError(f"'{origin}': {error.message}", hint=error.hint) from error
    return recipe


def method_of(recipe: Recipe) -> Method:
    """Return the chain of methods that the recipe describes.

    Layers that the architecture names as such stay real where a method makes the others binary.

    Raises:
        ArchitectureError: there is no such architecture.
        MethodError: an unknown method or option, or a figure out of range.
    """
    real = find_architecture(recipe.model.architecture).keep_float
    return chain(*(_step_of(section, real) for section in recipe.compress))


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


def _step_of(section: CompressSection, keep_float: str) -> Method:
    def single(each: MethodSection) -> Method:
        step = _build(find(each.method), each.options)
        method = step.keeping_float(keep_float) if keep_float else step
        return only(method, layers=each.layers) if each.layers else method

    method = together(*map(single, section.methods))
    if find(section.method).traits.trains:
        method = trained(method, epochs=section.epochs, learning_rate=section.learning_rate)
    return method


def _rounds(section: CompressSection) -> tuple[CompressSection, ...]:
    """Return the step once for each round, with what is due in it of its budget."""
    if section.repeat == 1:
        return (section,)

    def due(each: MethodSection, number: int) -> dict[str, Any]:
        return _options(_build(find(each.method), each.options).in_round(number, section.repeat))

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


def _resolved(section: CompressSection) -> CompressSection:
    """Return the step with its epochs and learning rate, where its method trains."""
    if not find(section.method).traits.trains:
        return section
    chosen = {"epochs": section.epochs or EPOCHS, "learning_rate": section.learning_rate or LEARNING_RATE}
    return section.model_copy(update=chosen)


def _build(kind: type[Step], options: dict[str, Any]) -> Step:
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
        raise MethodError(f"{kind.name}: {_explain(error)}") from error


def _numbers(value: Any) -> Iterator[float]:
    """Yield the numbers in an option, whatever it is made of."""
    if isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _numbers(each)
    elif isinstance(value, int | float):
        yield value


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


def _explain(error: ValidationError) -> str:
    first = min(error.errors(), key=lambda entry: entry["type"] != "extra_forbidden")  # a typo explains the rest
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        section: Any = Recipe.model_fields[str(first["loc"][0])].annotation if len(first["loc"]) > 1 else Recipe
        known = list(getattr(section, "model_fields", {}))
        return f"unknown key '{where}'. {suggest(str(first['loc'][-1]), known)}"
    return f"{where or 'value'}: {first['msg']}, got {first.get('input')!r}."
