"""Binary layers in files of Keras 2, of Larq or of earlier versions of this package: translated with their model."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_tf_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_types import Layer, Model
from edgecompress.tfmot.graph import replay, walk_layers
from edgecompress.tfmot.stand_ins import binary, larq
from edgecompress.tfmot.to_keras3.translation import translate as translate_to_keras3
from edgecompress.values import LayerNote

KINDS: tuple[type, ...] = (*larq.STAND_INS.values(), *binary.STAND_INS.values(), larq.Sign)


def classes() -> dict[str, type]:
    """Return what Keras 2 needs to rebuild such files, by the names that they have for it."""
    return {**binary.STAND_INS, **larq.stand_ins(), "Sign": larq.Sign}


def are_in(model: Model) -> bool:
    """Return whether a model of Keras 2 has binary layers."""
    return any(isinstance(part, KINDS) for layer in walk_layers(model) for part in layer._flatten_layers())


def translate(model: Model) -> tuple[Any, tuple[LayerNote, ...]]:
    """Return the model of Keras 3 with this package's binary layers, compared with `model`.

    Raises:
        UnsupportedModelError: a layer, or a quantizer of Larq, has no equal; it is named.
    """
    for layer in walk_layers(model):
        inside = [part for part in layer._flatten_layers(include_self=False) if isinstance(part, KINDS)]
        if inside and not _is_sign(layer):
            raise UnsupportedModelError(
                f"Layer '{layer.name}' ({type(layer).__name__}) has a binary layer or a quantizer of Larq inside, and "
                "cannot be translated.",
                hint="Use binary layers outside of wrappers.",
            )
    signed = replay(model, lambda layer, prefix: larq.Sign(name=layer.name) if _is_sign(layer) else layer)
    return translate_to_keras3(signed, own=dict.fromkeys(KINDS, larq.parts))


def _is_sign(layer: Layer) -> bool:
    return type(layer) is load_tf_keras().layers.Activation and isinstance(layer.activation, larq.Sign)
