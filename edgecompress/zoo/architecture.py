"""What an architecture is: a builder with typed options, its paper, and the input it was made for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgecompress.errors import ArchitectureError

LARGEST = {"resolution": 4096, "channels": 1024, "classes": 1_000_000}  # beyond, memory ends before any device's does
OptionValue = bool | int | float | str


@dataclass(frozen=True)
class Option:
    """One option of an architecture."""

    name: str
    default: OptionValue
    help: str
    choices: tuple[OptionValue, ...] = ()


@dataclass(frozen=True)
class Architecture:
    """A network that `construct(resolution, channels, classes, **options)` builds as a functional Keras model."""

    name: str
    summary: str
    paper: str
    default_resolution: int
    default_channels: int
    options: tuple[Option, ...]
    construct: Callable[..., Any]
    input_range: tuple[float, float] = (-1.0, 1.0)  # what it is trained on pixels as
    keep_float: str = ""  # pattern of the layers that binary training keeps float, besides the first and the last

    def build(
        self,
        *,
        resolution: int | None = None,
        channels: int | None = None,
        classes: int = 1000,
        **options: OptionValue,
    ) -> Any:
        """Return the network, with fresh weights, ending in softmax probabilities.

        Raises:
            ArchitectureError: an option is unknown or out of range, or the resolution is too small for the strides.
        """
        values = self.checked(options)
        sizes = {
            "resolution": self.default_resolution if resolution is None else resolution,
            "channels": self.default_channels if channels is None else channels,
            "classes": classes,
        }
        for name, size in sizes.items():
            if not 1 <= size <= LARGEST[name]:
                raise ArchitectureError(f"{self.name} got {name} {size}.", hint=f"Choose from 1 to {LARGEST[name]}.")
        try:
            return self.construct(**sizes, **values)
        except Exception as error:
            if type(error).__name__ != "ResourceExhaustedError":  # TensorFlow's, which is loaded only by building
                raise
            listed = ", ".join(f"{name} {value}" for name, value in (sizes | values).items())
            raise ArchitectureError(
                f"{self.name} with {listed} does not fit into memory.", hint="Choose a smaller one."
            ) from error

    def checked(self, given: dict[str, OptionValue]) -> dict[str, OptionValue]:
        """Return the options with the defaults of those that were not given.

        Raises:
            ArchitectureError: one is unknown, of another type, or not one of the choices.
        """
        known = {option.name: option for option in self.options}
        for name in given:
            if name not in known:
                raise ArchitectureError(
                    f"{self.name} has no option '{name}'.", hint=f"It has: {', '.join(known) or 'none'}."
                )
        values = {name: given.get(name, option.default) for name, option in known.items()}
        for name, value in values.items():
            option = known[name]
            numbers = isinstance(option.default, float) and type(value) in (int, float)
            if not numbers and type(value) is not type(option.default):
                raise ArchitectureError(
                    f"{self.name} got {name} {value!r}.",
                    hint=f"Expected {type(option.default).__name__}: {option.help}.",
                )
            if option.choices and value not in option.choices:
                listed = ", ".join(map(str, option.choices))
                raise ArchitectureError(f"{self.name} got {name} {value!r}.", hint=f"Choose one of {listed}.")
        return values


def require_resolution(name: str, resolution: int, smallest: int) -> None:
    """Raise `ArchitectureError` for an input below `smallest` pixels, whose strides would leave nothing."""
    if resolution < smallest:
        raise ArchitectureError(
            f"{name} got a resolution of {resolution}, too small for its strides.",
            hint=f"The smallest is {smallest}; images are resized to it.",
        )
