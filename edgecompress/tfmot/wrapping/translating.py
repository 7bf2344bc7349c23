"""The way into TF-MOT's room and out of it: a model of Keras 3 as one of Keras 2, and the weights of that."""

from __future__ import annotations

from edgecompress.environment import load_tf_keras
from edgecompress.errors import MethodError, UnsupportedModelError
from edgecompress.keras_bridge.graph import copy_model
from edgecompress.keras_types import Model
from edgecompress.tfmot.to_keras2.translation import translate


def enter(model: Model, *, method: str) -> Model:
    """Return the translation of `model` to Keras 2, compared with it; its layers have their names.

    The states of its dropouts are weights, so that a checkpoint holds them.

    Raises:
        MethodError: a layer has no equal there, or computes something else; `method` is who needs it.
    """
    try:
        twin, _ = translate(model)
    except UnsupportedModelError as error:
        raise MethodError(
            f"{method} is done by TF-MOT, which takes models of Keras 2: {error.message}", hint=error.hint
        ) from error
    there = {layer.name: [weight.shape for weight in layer.get_weights()] for layer in twin.layers}
    for layer in model.layers:
        if layer.weights and there.get(layer.name) != [weight.shape for weight in layer.get_weights()]:
            raise MethodError(
                f"{method} is done by TF-MOT, which takes models of Keras 2: Layer '{layer.name}' has another name or "
                "other weights there.",
                hint="Name layers with letters, digits and underscores.",
            )
    from edgecompress.tfmot.wrapping.dropout import with_counted_dropout

    return with_counted_dropout(twin)


def leave(twin: Model, model: Model) -> Model:
    """Return a copy of `model` with the weights that the layers of these names have in `twin`."""
    copy = copy_model(model)
    for layer in copy.layers:
        if layer.weights:
            layer.set_weights(twin.get_layer(layer.name).get_weights())
    return copy


def reset_names() -> None:
    """Have Keras 2 number the names that it makes up, such as quantize_layer_1, from the beginning."""
    load_tf_keras().backend.reset_uids()
