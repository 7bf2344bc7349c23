"""What goes between a compression method and whoever has it trained: what it is told, what it prepares, what comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from edgecompress.keras_types import Model, Variable
from edgecompress.numerics.generated import Generated
from edgecompress.values import LayerNote

Objective = Callable[[Any, Any], Any]
LayerFilter = Callable[[str], bool]
Samples = tuple[np.ndarray, ...]  # as the model takes them, an array an input

LEFT_ALONE = ("skipped", "kept float")  # what is noted of a layer that stays as it is; any other action treats it


class Kept(StrEnum):
    """What a step can establish in the kernel of a layer, for those after it to keep."""

    ZEROS = "zeros"
    SHARED_VALUES = "shared values"
    WORDS = "words of codebooks"
    SIGNS = "signs"
    RANGES = "int8 ranges"


Replaced = Mapping[str, tuple[str, ...]]  # a layer's name: the names of those that are in its place


@dataclass(frozen=True)
class Constraint:
    """What a step established, and in which layers."""

    kind: Kept
    layers: tuple[str, ...]

    def after(self, replaced: Replaced) -> Constraint:
        """Return the constraint on the layers that are in the place of these."""
        return Constraint(self.kind, tuple(new for old in self.layers for new in replaced.get(old, (old,))))


@dataclass(frozen=True)
class Traits:
    """What can be known of a step before it sees a model."""

    trains: bool = True  # a one-shot step has nothing to train, and works in `finalize`
    makes: tuple[Kept, ...] = ()
    keeps: tuple[Kept, ...] = ()  # in the layers that it treats; in the others, zeros and values are kept for it
    joins: bool = False  # leaves the layers that it does not treat in place, so that others can be trained with it


def all_layers(name: str) -> bool:
    """Choose every layer."""
    return True


@dataclass(frozen=True)
class Context:
    """What a step is told of the training that it is part of."""

    optimizer_steps: int  # of its own training
    samples: Callable[[int], Samples]  # so many of the training split, fewer if it has no more
    kept: tuple[Constraint, ...] = ()  # what the steps before it established
    chosen: LayerFilter = all_layers  # by its name, whether a layer may be treated

    def layers_with(self, kind: Kept) -> frozenset[str]:
        """Return the layers in which `kind` was established."""
        return frozenset(name for constraint in self.kept if constraint.kind == kind for name in constraint.layers)


class StepCallback:
    """What happens around the optimizer steps of a training, which may have been cut off; `done` counts them."""

    def begin(self, done: int) -> None:
        """A training begins, or goes on after so many steps; its variables are as they were then."""

    def before(self, done: int) -> None:
        """A step is to be taken after so many others."""

    def after(self, done: int) -> None:
        """A step was taken, and is the last of so many."""


@dataclass(frozen=True)
class Prepared:
    """A copy that is ready to train, what its training is to minimize and mind, and what `finalize` must know."""

    model: Model
    source: Model  # the plain model that it was made from
    callbacks: tuple[StepCallback, ...] = ()
    notes: tuple[LayerNote, ...] = ()
    objective: Objective | None = None  # a scalar of labels and outputs, instead of their mean cross-entropy
    scored: Model | None = None  # whose first output are the scores of classes, where those of `model` are not
    frozen: tuple[Variable, ...] = ()  # neither trained nor in checkpoints: preparing makes them as they are
    held: frozenset[str] = frozenset()  # layers whose kernels are among the frozen ones, by the step's own doing
    rates: tuple[tuple[Variable, float], ...] = ()  # learning rates relative to that of the others
    still_from: int | None = None  # the optimizer step from which batch norms compute by their moving statistics

    @property
    def treated(self) -> frozenset[str]:
        """The layers of which more is changed than training changes."""
        return frozenset(note.layer for note in self.notes if note.action not in LEFT_ALONE)


@dataclass(frozen=True)
class Outcome:
    """What a method did: a model of plain Keras layers, and layer by layer what changed or was skipped, and why."""

    model: Model
    quantized: Model | None = None  # the same network with fake quantization, which the TFLite converter reads
    notes: tuple[LayerNote, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    replaced: Replaced = field(default_factory=dict)  # which layers are in the place of others that the step was given
    # By layer, what decodes to its kernel as a matrix [outputs, inputs], so that a packed file can hold that instead.
    generators: dict[str, Generated] = field(default_factory=dict)
