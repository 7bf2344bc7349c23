"""Models of Keras 3, rebuilt layer by layer in Keras 2 and compared; what has no equal there is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edgecompress.environment import load_keras, load_tensorflow, load_tf_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_bridge.precision import in_float32
from edgecompress.keras_bridge.walks import functional_of, nodes_of, walk_layers
from edgecompress.keras_types import Layer, Model
from edgecompress.tfmot.tensor_kinds import require_same_kind
from edgecompress.tfmot.to_keras2 import operations
from edgecompress.tfmot.to_keras2.activations import ACTIVATION_LAYERS, COMPOSED, SAME
from edgecompress.tfmot.to_keras2.layers import (
    LAYERS,
    NOTHING_AT_INFERENCE,
    make,
    name_in_keras2,
    refusal,
    weights,
)
from edgecompress.tfmot.to_keras2.verification import require_equal
from edgecompress.values import LayerNote

# What Keras and TensorFlow raise of a call that they do not take.
REFUSALS = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, NotImplementedError)


def translate(model: Model) -> tuple[Any, tuple[LayerNote, ...]]:
    """Return the tf_keras model with the functions and weights of a functional or Sequential model of Keras 3.

    Nested models are flattened. What computes in other than float32 does so here, which the notes say.

    Raises:
        UnsupportedModelError: a layer, an option or an operation has no equal in Keras 2; it is named. Or the two
            networks part on seeded noise.
    """
    functional_of(model)
    model, notes = _in_float32(model)
    functional = functional_of(model)
    translation = _Translation()
    inputs = [
        load_tf_keras().Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=_free(tensor.name, translation.taken))
        for tensor in functional.inputs
    ]
    outputs = translation.replay(functional, inputs, "")
    translated = load_tf_keras().Model(inputs, outputs if len(outputs) > 1 else outputs[0], name=model.name)
    for original, layer in translation.layers.values():
        expected, found = weights(original), layer.get_weights()
        if [array.shape for array in expected] != [array.shape for array in found]:
            raise refusal(original, "its weights have other shapes in Keras 2")
        layer.set_weights(expected)
    require_equal(functional, translated, translation.trace)
    return translated, (*notes, *translation.notes)


def _in_float32(model: Model) -> tuple[Any, tuple[LayerNote, ...]]:
    try:
        return in_float32(model, layers=walk_layers)
    except REFUSALS as error:
        raise UnsupportedModelError(
            f"The Keras 3 model '{model.name}' computes in other than float32, and Keras cannot put it together anew.",
            hint="Build it in float32, with the same weights.",
        ) from error


@dataclass
class _Translation:
    layers: dict[int, tuple[Any, Any]] = field(default_factory=dict)  # id of an original: it, and its translation
    taken: set[str] = field(default_factory=set)  # names
    trace: list[tuple[str, list[Any]]] = field(default_factory=list)  # each call: what is called, and its tensors
    notes: list[LayerNote] = field(default_factory=list)

    def replay(self, model: Model, inputs: list[Any], prefix: str) -> list[Any]:
        keras = load_keras()

        nest = load_tensorflow().nest
        tensors = {id(old): new for old, new in zip(model.inputs, inputs, strict=True)}
        _require_no_masks(model)
        for node in nodes_of(model):
            arguments, options = node.arguments.convert(
                lambda value: tensors[id(value)] if isinstance(value, keras.KerasTensor) else value
            )
            operation = node.operation
            if isinstance(operation, keras.Model):
                nested = functional_of(operation)
                outputs = self.replay(nested, nest.flatten(arguments), f"{prefix}{operation.name}_")
            elif isinstance(operation, keras.layers.Layer):
                outputs = nest.flatten(self._layer(operation, arguments, options, prefix))
            else:
                outputs = nest.flatten(_operation(operation, arguments, options))
            require_same_kind(_shown(operation), node.outputs, outputs, of="Keras 3", into="Keras 2")
            if not isinstance(operation, keras.Model):
                self._name(operation, outputs, prefix)
                self.trace.append((_shown(operation), outputs))
            tensors.update((id(old), new) for old, new in zip(node.outputs, outputs, strict=True))
        return [tensors[id(tensor)] for tensor in model.outputs]

    def _layer(self, original: Layer, arguments: tuple[Any, ...], options: dict[str, Any], prefix: str) -> Any:
        kind = type(original).__name__
        if kind in NOTHING_AT_INFERENCE and type(original).__module__.startswith("keras.src.layers."):
            note = LayerNote(original.name, "left out", f"{kind} does nothing at inference")
            self.notes += [] if note in self.notes else [note]
            return arguments[0]
        understood = LAYERS[kind].calls if kind in LAYERS else ()
        given = {key: value for key, value in options.items() if value is not None and key != "training"}
        strange = [key for key in given if key not in understood]
        if strange:
            raise refusal(original, f"it is called with {strange[0]}, which is not understood")
        return self._call(original, arguments, given, prefix)

    def _call(self, original: Layer, arguments: tuple[Any, ...], options: dict[str, Any], prefix: str) -> Any:
        """Call the Keras 2 layer; an activation that Keras 2 lacks follows it as layers of its own."""
        named, then = self._activation(original, prefix)
        if id(original) not in self.layers:
            try:
                layer = make(original, _free(original.name, self.taken, prefix), activation=named)
            except REFUSALS as error:
                raise refusal(original, "Keras 2 does not take its options together") from error
            self.layers[id(original)] = (original, layer)
        try:
            output = self.layers[id(original)][1](*arguments, **options)
        except REFUSALS as error:
            raise refusal(original, "Keras 2 does not take its inputs, or not with its options") from error
        return then(output) if then else output

    def _name(self, operation: Any, outputs: list[Any], prefix: str) -> None:
        """Call what Keras 2 made up a name for after the operation, or after the layer whose activation it is."""
        keras = load_keras()

        inner = "/activation" if isinstance(operation, keras.layers.Layer) else ""
        for layer in {id(tensor.node.layer): tensor.node.layer for tensor in outputs}.values():
            if layer.name not in self.taken:
                layer._name = _free(f"{operation.name}{inner}", self.taken, prefix)

    def _activation(self, original: Layer, prefix: str) -> tuple[str | None, Callable[[Any], Any] | None]:
        """Return the activation inside the Keras 2 layer, None for its own, and what is to be called after it."""
        keras = load_keras()

        function = getattr(original, "activation", None)
        if function is None or type(original).__name__ not in LAYERS or hasattr(original, "cell"):
            return None, None
        if isinstance(function, keras.layers.Layer):
            if type(function).__name__ not in ACTIVATION_LAYERS:
                raise refusal(original, f"its activation is a layer ({type(function).__name__})")
            return "linear", lambda tensor: self._layer(function, (tensor,), {}, prefix)
        name = keras.activations.serialize(function)
        if name in SAME:
            return name, None
        if not isinstance(name, str) or name not in COMPOSED:
            shown = name if isinstance(name, str) else "of its own"
            raise refusal(original, f"Keras 2 has no activation {shown!r}")
        return "linear", COMPOSED[name]


def _operation(operation: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    try:
        return operations.apply(operation, arguments, options)
    except REFUSALS as error:
        raise operations.refusal(operation, "TensorFlow does not take its arguments") from error


def _require_no_masks(model: Model) -> None:
    """Refuse a mask where a layer reads it; a mask that is not read has no effect."""
    for node in nodes_of(model):
        if any(mask is not None for mask in load_tensorflow().nest.flatten(node.arguments.kwargs.get("mask"))):
            raise refusal(
                node.operation, "it reads a mask of steps (of a Masking or an Embedding layer), which is not understood"
            )


def _shown(operation: Any) -> str:
    keras = load_keras()

    what = "Layer" if isinstance(operation, keras.layers.Layer) else "The operation"
    return f"{what} '{operation.name}' ({type(operation).__name__})"


def _free(name: str, taken: set[str], prefix: str = "") -> str:
    """Return `name`, behind the names of the models that it is in and a number where it is taken."""
    name, prefix = name_in_keras2(name), name_in_keras2(prefix) if prefix else ""
    candidates = [name, f"{prefix}{name}"]
    free = next((each for each in candidates if each not in taken), None)
    number = 1
    while free is None:
        number += 1
        free = None if f"{prefix}{name}_{number}" in taken else f"{prefix}{name}_{number}"
    taken.add(free)
    return free
