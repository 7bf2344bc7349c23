"""Models of Keras 2, rebuilt layer by layer in Keras 3 and compared; what has no equal there is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count, repeat
from typing import Any

import numpy as np

from edgecompress.environment import load_keras, load_tensorflow, load_tf_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_bridge.precision import in_float32
from edgecompress.keras_types import Layer, Model
from edgecompress.tfmot.graph import functional_of, walk_layers
from edgecompress.tfmot.tensor_kinds import dtype_of, require_same_kind
from edgecompress.tfmot.to_keras2.translation import REFUSALS
from edgecompress.tfmot.to_keras3 import operations
from edgecompress.tfmot.to_keras3.activations import ACTIVATION_LAYERS, COMPOSED, SAME, name_of
from edgecompress.tfmot.to_keras3.layers import (
    NOTHING_AT_INFERENCE,
    RECURRENT,
    give_weights,
    make,
    plain_name,
    refusal,
    require_known,
    set_weights,
)
from edgecompress.tfmot.to_keras3.verification import require_equal
from edgecompress.tfmot.walks import is_model, named_arguments, nodes_of, replay
from edgecompress.values import LayerNote

# Layers in the place of a layer of a class of one's own, called one after the other, with their weights.
Parts = list[tuple[Any, list[np.ndarray]]]
Own = Mapping[type, Callable[[Any, str], Parts]]
WITH_STATE = (*RECURRENT, "RNN", "Bidirectional")  # take initial states behind the sequence, in one list


def translate(model: Model, *, own: Own | None = None) -> tuple[Any, tuple[LayerNote, ...]]:
    """Return the model of Keras 3 with the functions, weights and names of a functional or Sequential tf_keras model.

    Nested models are flattened. What computes in other than float32 does so here, which the notes say. `own` makes
    of a layer of a class of one's own, and a name for it, the layers that stand for it in Keras 3.

    Raises:
        UnsupportedModelError: a layer, an option or an operation has no equal in Keras 3; it is named. Or the two
            networks part on seeded noise.
    """
    functional_of(model)
    own = own or {}
    model, notes = _in_float32(model, own)
    functional = functional_of(model)
    names = {layer.name for layer in functional.layers if not is_model(layer)}
    translation = _Translation(own, {name for name in names if name == plain_name(name)})
    translation.check(functional)
    inputs = translation.inputs(functional)
    outputs = replay(functional, inputs, translation.call)
    translated = load_keras().Model(
        inputs if len(inputs) > 1 else inputs[0],
        outputs if len(outputs) > 1 else outputs[0],
        name=plain_name(model.name),
    )
    for give in translation.give:
        give()
    require_equal(functional, translated, translation.trace)
    return translated, (*notes, *translation.notes)


def _in_float32(model: Model, own: Own) -> tuple[Any, tuple[LayerNote, ...]]:
    try:
        with load_tf_keras().utils.custom_object_scope({kind.__name__: kind for kind in own}):
            return in_float32(model, layers=walk_layers)
    except REFUSALS as error:
        raise UnsupportedModelError(
            f"The Keras 2 model '{model.name}' computes in other than float32, and Keras cannot put it together anew.",
            hint="Build it in float32, with the same weights.",
        ) from error


@dataclass
class _Translation:
    own: Own
    reserved: set[str]  # names of layers outside of nested models that are not called yet
    taken: set[str] = field(init=False)  # all names
    layers: dict[int, tuple[Any, list[Any]]] = field(default_factory=dict)  # id of an original: it, its translation
    made: dict[int, Any] = field(default_factory=dict)  # operations of Keras 3 that have their names, by id
    give: list[Callable[[], None]] = field(default_factory=list)  # set the weights, once all is built
    trace: list[tuple[str, list[Any]]] = field(default_factory=list)  # each call: what is called, and its tensors
    notes: list[LayerNote] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.taken = set(self.reserved)

    def inputs(self, functional: Model) -> list[Any]:
        """Return the inputs of Keras 3."""
        made = []
        for tensor, layer in zip(functional.inputs, functional._input_layers, strict=True):
            if type(tensor).__name__ != "KerasTensor" or dtype_of(tensor) == "string":
                kind = "string" if dtype_of(tensor) == "string" else type(tensor).__name__.removesuffix("KerasTensor")
                raise refusal(layer, f"its tensors are of the kind {kind.lower()}")
            name = self._own_name(layer.name, "")
            made.append(load_keras().Input(batch_shape=tuple(tensor.shape), dtype=dtype_of(tensor), name=name))
            self._know(made[-1]._keras_history.operation)
        return made

    def check(self, functional: Model) -> None:
        """Refuse what a call of a nested model passes on to the layers in it: masks, and that they are trained."""
        for node in nodes_of(functional):
            if is_model(node.layer):
                _require_no_masks(node)
                given = named_arguments(node.layer, node.call_args, node.call_kwargs)
                self._require_inference(node.layer, given.get("training"))
                self.check(functional_of(node.layer))

    def call(self, node: Any, arguments: tuple[Any, ...], options: dict[str, Any], prefix: str) -> list[Any]:
        """Call the translation of the layer that is called in a node of Keras 2."""
        original, nest = node.layer, load_tensorflow().nest
        expected = nest.flatten(node.outputs)
        if operations.is_operation(original):
            outputs = nest.flatten(_operation(original, arguments, options))
            self._name(outputs, self._own_name(original.name, prefix))
        else:
            _require_no_masks(node)
            outputs = nest.flatten(self._layer(original, *self._arguments(original, arguments, options), prefix))
        shown = _shown(original)
        require_same_kind(shown, expected, outputs, of="Keras 2", into="Keras 3")
        self.trace.append((shown, outputs))
        return outputs

    def _arguments(
        self, original: Layer, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """Return the first argument of a call, and the others by name; those that are nothing at inference are over."""
        tensorflow = load_tensorflow()
        given = named_arguments(original, arguments, options)
        self._require_inference(original, given.pop("training", None))
        first = given.pop(original._call_spec.arg_names[0])
        given = {key: value for key, value in given.items() if value is not None}
        if type(original).__name__ in WITH_STATE and isinstance(first, list | tuple) and len(first) > 1:
            first, *states = first
            given["initial_state"] = states
        return tensorflow.nest.map_structure(
            lambda value: value.numpy() if isinstance(value, tensorflow.Tensor) else value, (first, given)
        )

    def _require_inference(self, original: Layer, training: Any) -> None:
        if training is not None and not isinstance(training, bool | int):
            raise refusal(original, "whether it is trained is computed")
        if training:
            raise refusal(original, "it is called with training=True, and then acts at inference as in training")
        if training is not None:
            self._note(original, "training=False left out", "it is called with it, which Keras 3 does not keep")

    def _layer(self, original: Layer, first: Any, options: dict[str, Any], prefix: str) -> Any:
        kind = type(original).__name__
        if type(original) in self.own:
            if options:
                raise refusal(original, f"it is called with {next(iter(options))}, which is not understood")
            return self._chained(self._of_own(original, prefix), original, first, {})
        if kind in NOTHING_AT_INFERENCE and getattr(load_tf_keras().layers, kind, None) is type(original):
            self._note(original, "left out", f"{kind} does nothing at inference")
            return first
        understood = require_known(original).calls
        strange = [key for key in options if key not in understood]
        if strange:
            raise refusal(original, f"it is called with {strange[0]}, which is not understood")
        named, then = self._activation(original, prefix)
        if kind == "Activation" and then:
            return self._named(then(first), self._own_name(original.name, prefix))
        output = self._chained(self._same(original, named, prefix), original, first, options)
        if not then:
            return output
        what = "activation" if named else "cast"
        return self._named(then(output), self._free(f"{self.layers[id(original)][1][-1].name}_{what}"))

    def _same(self, original: Layer, activation: str | None, prefix: str) -> list[Any]:
        """Return the layer of Keras 3, in a list."""
        if id(original) not in self.layers:
            name = self._own_name(original.name, prefix)
            try:
                layer = make(original, name, activation=activation, notes=self.notes)
            except REFUSALS as error:
                raise refusal(original, "Keras 3 does not take its options together") from error
            self._know(layer)
            self.layers[id(original)] = (original, [layer])
            self.give.append(partial(give_weights, original, layer))
        return self.layers[id(original)][1]

    def _of_own(self, original: Layer, prefix: str) -> list[Any]:
        if id(original) not in self.layers:
            name = self._own_name(original.name, prefix)
            parts = self.own[type(original)](original, name)
            for layer, weights in parts:
                if layer.name != name:
                    layer.name = self._free(layer.name)
                self._know(layer)
                self.give.append(partial(set_weights, original, layer, weights))
            self.layers[id(original)] = (original, [layer for layer, _ in parts])
        return self.layers[id(original)][1]

    def _chained(self, layers: list[Any], original: Layer, first: Any, options: dict[str, Any]) -> Any:
        try:
            for layer in layers:
                first, options = layer(first, **options), {}
        except REFUSALS as error:
            raise refusal(original, "Keras 3 does not take its inputs, or not with its options") from error
        return first

    def _activation(self, original: Layer, prefix: str) -> tuple[str | None, Callable[[Any], Any] | None]:
        """Return the activation inside the Keras 3 layer, None for none, and what is to be called after it."""
        if type(original).__name__ == "Discretization" and original.output_mode == "int":  # it is int32 in Keras 3
            return None, lambda tensor: load_keras().ops.cast(tensor, original.compute_dtype)
        function = getattr(original, "activation", None)
        if function is None or type(original).__name__ in WITH_STATE:
            return None, None
        if isinstance(function, load_tf_keras().layers.Layer):
            if type(function).__name__ not in ACTIVATION_LAYERS:
                raise refusal(original, f"its activation is a layer ({type(function).__name__})")
            return "linear", lambda tensor: self._layer(function, tensor, {}, prefix)
        name = name_of(function)
        if name in SAME:
            return SAME[name], None
        if name not in COMPOSED:
            raise refusal(original, f"its activation is {name or 'a function of its own'}, which Keras 3 lacks")
        return "linear", COMPOSED[name]

    def _named(self, tensor: Any, name: str) -> Any:
        self._name([tensor], name)
        return tensor

    def _name(self, outputs: list[Any], name: str) -> None:
        """Call what Keras 3 made up a name for `name`, and what comes before it in the same call after it."""
        new = [tensor._keras_history for tensor in outputs]
        names = chain([name], repeat(""))
        while new:
            operation, place, _ = new.pop(0)
            if id(operation) not in self.made:
                operation.name = next(names) or self._free(f"{name}_{type(operation).__name__.lower()}")
                self._know(operation)
                new += [each._keras_history for each in operation._inbound_nodes[place].input_tensors]

    def _own_name(self, name: str, prefix: str) -> str:
        """Return the name of a layer, behind the names of the models that it is in where it is taken."""
        if not prefix and name in self.reserved:
            self.reserved.remove(name)
            return name
        return self._free(plain_name(name), *([plain_name(f"{prefix}_{name}")] if prefix else []))

    def _free(self, *names: str) -> str:
        """Return the first of these names that is free, else the last with a number."""
        numbered = (f"{names[-1]}_{number}" for number in count(1))
        name = next(each for each in chain(names, numbered) if each not in self.taken)
        self.taken.add(name)
        return name

    def _know(self, operation: Any) -> None:
        self.made[id(operation)] = operation

    def _note(self, original: Layer, action: str, why: str) -> None:
        note = LayerNote(original.name, action, why)
        self.notes += [] if note in self.notes else [note]


def _operation(original: Layer, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    try:
        return operations.apply(original, arguments, options)
    except REFUSALS as error:
        raise operations.refusal(original, "Keras 3 does not take its arguments") from error


def _require_no_masks(node: Any) -> None:
    """Refuse a mask where a layer reads it; a mask that is not read has no effect."""
    layer = node.layer
    reads = layer._expects_mask_arg or type(layer).__name__ == "MultiHeadAttention"
    comes = any(getattr(tensor, "_keras_mask", None) is not None for tensor in node.keras_inputs)
    if (reads and comes) or node.call_kwargs.get("mask") is not None:
        raise refusal(layer, "it reads a mask of steps (of a Masking or an Embedding layer), which is not understood")


def _shown(original: Layer) -> str:
    if operations.is_operation(original):
        return f"The operation '{original.name}' ({original.symbol})"
    return f"Layer '{original.name}' ({type(original).__name__})"
