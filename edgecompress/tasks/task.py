"""A task: one class of several, yes or no to each of several questions, or numbers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edgecompress.errors import RecipeError
from edgecompress.suggest import suggest


class Kind(Enum):
    """What the outputs of a network say; the value names what measures how right they are."""

    CLASSES = "accuracy"  # scores of classes, of which one is right: of a sample, or of each of its positions
    QUESTIONS = "labels right"  # to each label yes or no
    NUMBERS = "R²"  # numbers that should be near others


LOSSES = {  # by Keras's names
    "categorical_crossentropy": Kind.CLASSES,
    "squared_hinge": Kind.CLASSES,
    "binary_crossentropy": Kind.QUESTIONS,
    "mean_squared_error": Kind.NUMBERS,
    "mean_absolute_error": Kind.NUMBERS,
    "huber": Kind.NUMBERS,
}
OTHER_NAMES = {
    "sparse_categorical_crossentropy": "categorical_crossentropy",
    "crossentropy": "categorical_crossentropy",
    "bce": "binary_crossentropy",
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "huber_loss": "huber",
}


@dataclass(frozen=True)
class Task:
    """What a training minimizes, by Keras's name, and whether the outputs are logits or what a softmax makes of them.

    Of `binary_crossentropy` logits are what no sigmoid is behind.
    """

    loss: str = "categorical_crossentropy"
    logits: bool = False

    @property
    def kind(self) -> Kind:
        """What the outputs say."""
        return LOSSES[self.loss]


ONE_CLASS = Task()


def headed(metric: str) -> str:
    """Return the name of what measures a task as the beginning of a heading; that of a user's function as it is."""
    return metric.capitalize() if metric in {Kind.CLASSES.value, Kind.QUESTIONS.value} else metric


def find_loss(name: str) -> str:
    """Return the name of a loss as `LOSSES` has it, from that or another one that Keras knows it by.

    Raises:
        RecipeError: there is no such loss here.
    """
    found = OTHER_NAMES.get(name.lower(), name.lower())
    if found not in LOSSES:
        raise RecipeError(f"There is no loss '{name}' here.", hint=suggest(name, LOSSES))
    return found
