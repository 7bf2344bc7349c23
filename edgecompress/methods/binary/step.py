"""What the binary methods have in common: they differ in their scheme only."""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from edgecompress.keras_bridge.graph import copy_model, replay
from edgecompress.keras_types import Layer
from edgecompress.methods.binary.scheme import Scheme, is_binary
from edgecompress.methods.binary.surgery import BINARIZED, binarize
from edgecompress.methods.eligible import nothing
from edgecompress.methods.patterns import require_pattern
from edgecompress.methods.protocol import Constraint, Context, Kept, Model, Outcome, Prepared, Traits
from edgecompress.methods.step import Step, option


@dataclass(frozen=True)
class BinaryStep(Step):
    """A method that trains latent weights by what their signs do."""

    traits: ClassVar[Traits] = Traits(makes=(Kept.SIGNS,), keeps=(Kept.SIGNS,))

    keep_float: str = option("", "layers whose whole name matches this regular expression stay float")

    def __post_init__(self) -> None:
        """Raise `MethodError` where `keep_float` is not a regular expression."""
        require_pattern(self.keep_float, f"{self.name}, for keep_float,")

    def keeping_float(self, layers: str) -> BinaryStep:
        """Return the method that keeps these layers float as well."""
        return replace(self, keep_float="|".join(filter(None, (self.keep_float, layers))))

    @abstractmethod
    def scheme(self) -> Scheme:
        """Return what is binary in a layer."""

    def prepare(self, model: Model, context: Context) -> Prepared:
        """Return a copy with binary layers in place of all that can be.

        Raises:
            MethodError: there is none.
        """
        binary, notes = binarize(
            model,
            self.scheme(),
            chosen=lambda name: context.chosen(name) and not re.fullmatch(self.keep_float, name),
        )
        if not any(note.action == BINARIZED for note in notes):
            hint = "Choose other layers; there must be one between the first and the last."
            raise nothing(model, notes, action="made binary", hint=hint)
        return Prepared(binary, model, (), notes)

    def finalize(self, prepared: Prepared, context: Context) -> Outcome:
        """Return the network with the signs as its kernels: in plain Keras layers where the inputs are real."""
        binarized = tuple(note.layer for note in prepared.notes if note.action == BINARIZED)
        model = _with_signs(prepared.model) if self.scheme().binary_inputs else _plain(prepared)
        return Outcome(model=model, notes=prepared.notes, constraints=(Constraint(Kept.SIGNS, binarized),))


def _with_signs(trained: Model) -> Model:
    """Return a copy whose latent weights are what they compute as; that changes no output, see `scaled_sign`."""
    model = copy_model(trained)
    for layer in model.layers:
        if is_binary(layer):
            layer.kernel.assign(layer.binary_kernel)
    return model


def _plain(prepared: Prepared) -> Model:
    floats = {layer.name: layer for layer in prepared.source.layers}
    pairs: list[tuple[Any, Any]] = []

    def substitute(layer: Layer, prefix: str) -> Any:
        if not is_binary(layer):
            return layer
        original = floats[layer.name]
        config = {**original.get_config(), "activation": layer.get_config()["activation"]}
        pairs.append((layer, type(original).from_config(config)))
        return pairs[-1][1]

    plain = replay(prepared.model, substitute)
    for binary, layer in pairs:
        layer.set_weights([binary.binary_kernel.numpy(), *binary.get_weights()[1:]])
    return copy_model(plain)
