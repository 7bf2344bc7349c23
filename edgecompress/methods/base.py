"""The protocol of compression methods: a method is a value, made of steps; a step prepares, is trained, finalizes."""

from __future__ import annotations

import itertools
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from edgecompress.errors import MethodError
from edgecompress.keras_bridge.graph import copy_model
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.keras_bridge.separable import split_separable
from edgecompress.numerics.vector_codebook import VectorCodebook
from edgecompress.suggest import suggest
from edgecompress.values import LayerNote

Model = Any
LayerFilter = Callable[[str], bool]


@dataclass(frozen=True)
class Constraint:
    """What a method established in a layer, for the next one to keep or to refuse."""

    kind: str  # "zeros", "shared values" or "signs"
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """A copy that is ready to train, the callbacks it needs at each step, and what `finalize` must know."""

    model: Model
    source: Model  # the plain model that it was made from
    callbacks: tuple[Any, ...] = ()
    notes: tuple[LayerNote, ...] = ()
    kept: tuple[Constraint, ...] = ()
    calibration: np.ndarray | None = None  # inputs of the model, where the step asked for images


@dataclass(frozen=True)
class Outcome:
    """What a method did: a model of plain Keras layers, and layer by layer what changed or was skipped, and why."""

    model: Model
    quantized: Model | None = None  # the same network with fake quantization, which the TFLite converter reads
    notes: tuple[LayerNote, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    # By layer, what decodes to its kernel as a matrix [outputs, inputs], so that a packed file can hold that instead.
    generators: dict[str, VectorCodebook] = field(default_factory=dict)


class Method(ABC):
    """One compression technique, or an expression of several."""

    @abstractmethod
    def steps(self) -> tuple[Step, ...]:
        """Return what is to be done, in order."""


@dataclass(frozen=True)
class Step(Method):
    """A method that is trained once at most. Subclasses are frozen dataclasses; `name` is the one used in recipes."""

    name: ClassVar[str]
    paper: ClassVar[str]
    summary: ClassVar[str]
    makes_signs: ClassVar[bool] = False  # whether weights are signs after it, which only its like keeps
    makes_vectors: ClassVar[bool] = False  # whether kernels are words of codebooks after it, which no training keeps
    makes_ranges: ClassVar[bool] = False  # whether int8 ranges are learned in it, which no later step keeps
    trains: ClassVar[bool] = True  # a one-shot method has nothing to train, and works in `finalize`

    @property
    def calibration_images(self) -> int:
        """How many training images `finalize` wants to find in `Prepared.calibration`."""
        return 0

    def steps(self) -> tuple[Step, ...]:
        """Return itself."""
        return (self,)

    def leaving(self, layers: str) -> Step:
        """Return the method for a network whose `layers`, a pattern of names, it should leave real; most treat all."""
        return self

    def requires(self, model: Model, kept: tuple[Constraint, ...]) -> None:
        """Raise `MethodError`, naming the layer and what to do, where the method does not fit."""

    @abstractmethod
    def prepare(
        self, model: Model, *, optimizer_steps: int, kept: tuple[Constraint, ...], chosen: LayerFilter
    ) -> Prepared:
        """Wrap `model`, a copy made for this purpose, for a training of `optimizer_steps`; only `chosen` layers."""

    @abstractmethod
    def finalize(self, prepared: Prepared) -> Outcome:
        """Return plain Keras layers again, with the trained weights."""


@dataclass(frozen=True)
class Chain(Method):
    """One method after another; each keeps what those before it established, or refuses by name."""

    methods: tuple[Method, ...]

    def __post_init__(self) -> None:
        """Raise `MethodError` where a method would undo what was made before it, before any training."""
        steps = self.steps()
        for before, step in itertools.pairwise(steps):
            if before.makes_ranges:
                raise MethodError(
                    f"{_name(step)} comes after quantization-aware training, whose ranges it would invalidate.",
                    hint="Put quantization last in the chain.",
                )
        for before, step in itertools.pairwise(steps):
            if before.makes_signs and not step.makes_signs:
                raise MethodError(
                    f"{_name(step)} comes after binary training, whose signs it would undo.",
                    hint="Put the binary method last in the chain; its int8 ends need no training.",
                )
        for before, step in itertools.combinations(steps, 2):
            if before.makes_vectors and step.trains:
                raise MethodError(
                    f"{_name(step)} comes after {_name(before)}, whose codebooks its training would undo.",
                    hint="Train first, and put vector quantization last in the chain.",
                )

    def steps(self) -> tuple[Step, ...]:
        """Return the steps of all, in order."""
        return tuple(step for method in self.methods for step in method.steps())


def chain(*methods: Method) -> Method:
    """Return the method that applies `methods` in order."""
    return Chain(methods)


@dataclass(frozen=True)
class _Filtered(Step):
    step: Step
    layers: str

    @property
    def makes_signs(self) -> bool:  # type: ignore[override]
        return self.step.makes_signs

    @property
    def makes_vectors(self) -> bool:  # type: ignore[override]
        return self.step.makes_vectors

    @property
    def makes_ranges(self) -> bool:  # type: ignore[override]
        return self.step.makes_ranges

    @property
    def trains(self) -> bool:  # type: ignore[override]
        return self.step.trains

    @property
    def calibration_images(self) -> int:
        return self.step.calibration_images

    def leaving(self, layers: str) -> Step:
        return replace(self, step=self.step.leaving(layers))

    def requires(self, model: Model, kept: tuple[Constraint, ...]) -> None:
        self.step.requires(model, kept)
        require_match(self.layers, self.step.name, model)

    def prepare(
        self, model: Model, *, optimizer_steps: int, kept: tuple[Constraint, ...], chosen: LayerFilter
    ) -> Prepared:
        return self.step.prepare(
            model,
            optimizer_steps=optimizer_steps,
            kept=kept,
            chosen=lambda name: chosen(name) and self._matches(name),
        )

    def finalize(self, prepared: Prepared) -> Outcome:
        return self.step.finalize(prepared)

    def _matches(self, name: str) -> bool:
        return re.fullmatch(self.layers, name) is not None


def only(method: Method, *, layers: str) -> Method:
    """Return `method` restricted to the layers whose whole name matches the regular expression `layers`.

    Raises:
        MethodError: `layers` is not a regular expression.
    """
    require_pattern(layers, "Layers")
    return Chain(tuple(_Filtered(step, layers) for step in method.steps()))


def require_pattern(pattern: str, owner: str) -> None:
    """Raise `MethodError` where `pattern`, which `owner` was given, is not a regular expression."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise MethodError(
            f"{owner} got '{pattern}', which is not a regular expression: {error}.", hint="An example is 'conv_pw_.*'."
        ) from error


def require_match(pattern: str, owner: str, model: Model) -> None:
    """Raise `MethodError`, with near names, where no layer's whole name matches the pattern that `owner` was given."""
    names = [layer.name for layer in model.layers]
    if not any(re.fullmatch(pattern, name) for name in names):
        raise MethodError(
            f"No layer of '{model.name}' matches the pattern '{pattern}' of {owner}.",
            hint=f"The pattern must match a layer's whole name. {suggest(pattern, names)}",
        )


class Trainer(Protocol):
    """Who trains: `compress` asks it how long stage `index` will be, then has it trained in place."""

    def optimizer_steps(self, index: int) -> int:
        """Return how many optimizer steps stage `index` will take."""

    def train(self, index: int, prepared: Prepared) -> None:
        """Train `prepared.model` in place."""

    def calibration(self, count: int) -> np.ndarray:
        """Return `count` images of the training split, fewer if it has no more, as inputs of the model."""


def compress(
    model: Model,
    method: Method,
    trainer: Trainer,
    *,
    on_step: Callable[[int, Outcome], None] = lambda index, outcome: None,
) -> Outcome:
    """Apply `method` to a copy of `model`, one step after the other; the given model is never changed.

    `on_step` is given each step's number, from 0 on, and what came of it.

    A SeparableConv2D is first written as its two convolutions, each of which can then be treated by name.

    Raises:
        MethodError: a step does not fit the model or what was established before it.
    """
    outcome = Outcome(model=split_separable(copy_model(model)))
    for index, step in enumerate(method.steps()):
        step.requires(outcome.model, outcome.constraints)
        prepared = step.prepare(
            copy_model(outcome.model),
            optimizer_steps=trainer.optimizer_steps(index),
            kept=outcome.constraints,
            chosen=lambda name: True,
        )
        if step.calibration_images:
            prepared = replace(prepared, calibration=trainer.calibration(step.calibration_images))
        if step.trains:
            trainer.train(index, prepared)
        done = step.finalize(prepared)
        outcome = replace(
            done,
            notes=outcome.notes + done.notes,
            constraints=outcome.constraints + done.constraints,
            generators=_still_true(outcome.generators | done.generators, done.model),
        )
        on_step(index, outcome)
    return outcome


def _still_true(generators: dict[str, VectorCodebook], model: Model) -> dict[str, VectorCodebook]:
    """Return those that decode to the bits of their layer's kernel; a later step may have changed it."""

    def made(name: str, generator: VectorCodebook) -> bool:
        kernel = kernels(model.get_layer(name))[0].numpy()
        return generator.decode().tobytes() == kernel.reshape(-1, kernel.shape[-1]).T.tobytes()

    return {name: generator for name, generator in generators.items() if made(name, generator)}


def _name(step: Step) -> str:
    return step.step.name if isinstance(step, _Filtered) else step.name
