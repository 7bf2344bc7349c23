"""A functional model of Keras 3 as it is, with what emitting and comparing it asks of a model: no translation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_bridge.comparison import draws
from edgecompress.keras_bridge.keras3_graph import functional_of, nodes_of, run, walk_layers
from edgecompress.keras_bridge.keras3_verification import specs_of

_SCOPE = re.compile(r"L(\d{4,})__/")  # in front of all that a layer computes


@dataclass(frozen=True)
class Door:
    """An input: its name, its shape with None for what is free, and TensorFlow's type of it."""

    name: str
    shape: tuple[int | None, ...]
    dtype: Any


class NativeModel:
    """Calls a model of Keras 3 layer by layer at inference, each under a scope of its own.

    Keras 3 gives the operations of a layer `conv` such names as `net_1/conv_1/Relu`, and `conv_1` is another layer's
    name. `own_names` makes of them what Keras 2 would have said, `net/conv/Relu`.
    """

    def __init__(self, model: Any, *, untranslated: UnsupportedModelError | None = None) -> None:
        self.untranslated = untranslated  # why it is not a model of Keras 2
        self._model = model
        self._functional = functional_of(model)
        self._scoped: list[Any] = []

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model.name

    @cached_property
    def inputs(self) -> tuple[Door, ...]:
        """The inputs, in order."""
        as_dtype = load_tensorflow().as_dtype
        return tuple(Door(each.name, tuple(each.shape), as_dtype(each.dtype)) for each in self._functional.inputs)

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return [door.name for door in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """The names of the layers and operations that compute the outputs, those after the first of one numbered."""
        times: Counter[str] = Counter()
        names = []
        for tensor in self._functional.outputs:
            name = tensor._keras_history.operation.name
            names.append(f"{name}_{times[name]}" if times[name] else name)
            times[name] += 1
        return names

    @cached_property
    def layers(self) -> list[Any]:
        """All layers and operations, those inside nested models in the place of these."""
        return [*walk_layers(self._functional), *_operations(self._functional)]

    def own_names(self, path: str) -> str:
        """Return the path of an operation of a traced graph, or several with semicolons, with its layers' names."""
        return ";".join(self._own_name(part) for part in path.split(";"))

    def _own_name(self, path: str) -> str:
        found = _SCOPE.match(path)
        if found is None:
            return path
        return f"{self.name}/{self._scoped[int(found[1])].name}/{path.rpartition('/')[2]}"

    def _scope(self, operation: Any) -> Any:
        """A scope for the operations of a layer; with the slash TensorFlow takes it as it is, as often as it comes."""
        if operation not in self._scoped:
            self._scoped.append(operation)
        return load_tensorflow().name_scope(f"L{self._scoped.index(operation):04}__/")

    def __call__(self, inputs: Any, *, training: bool = False) -> Any:
        """Return the output, or a list of several, of an array or tensor, or of a list of them."""
        assert not training
        values = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        _, outputs = run(self._functional, values, around=self._scope)
        return outputs[0] if len(outputs) == 1 else outputs

    def beginnings(self) -> Iterator[tuple[Any, Any]]:
        """Each layer or operation, in order, and the part of the model that ends with its first call."""
        keras, seen = load_keras(), set[int]()
        for node in nodes_of(self._functional):
            if id(node.operation) not in seen:
                seen.add(id(node.operation))
                yield node.operation, NativeModel(keras.Model(self._functional.inputs, list(node.outputs)))

    def first_layer(self) -> Any | None:
        """Return the layer that alone reads the only input, if there is such a one."""
        if len(self.inputs) != 1:
            return None
        (door,) = self._functional.inputs
        readers = [
            node.operation
            for node in nodes_of(self._functional)
            if any(each is door for each in node.arguments.keras_tensors)
        ]
        return readers[0] if len(readers) == 1 else None


def native(model: Any, *, untranslated: UnsupportedModelError | None = None) -> NativeModel:
    """Return a functional or Sequential model of Keras 3 as it is, once its calls one by one gave what it gives.

    Raises:
        UnsupportedModelError: it is subclassed, does not run, or gives something else call by call.
    """
    found, functional = NativeModel(model, untranslated=untranslated), functional_of(model)
    tree, to_tensor = load_keras().tree, load_keras().ops.convert_to_tensor
    for inputs in draws(specs_of(functional)):
        arguments = tree.pack_sequence_as(functional._inputs_struct, list(map(to_tensor, inputs)))
        try:
            whole, by_calls = tree.flatten(functional(arguments, training=False)), tree.flatten(found(inputs))
        except (ValueError, TypeError, load_tensorflow().errors.OpError) as error:
            raise UnsupportedModelError(
                f"The Keras 3 model '{model.name}' does not run on seeded noise: {_first_line(error)}.",
                hint="Give its inputs fixed shapes, and check that it runs on arrays of them.",
            ) from error
        if not all(map(_same, whole, by_calls)):
            raise UnsupportedModelError(
                f"The Keras 3 model '{model.name}' computes something else when its layers are called one by one.",
                hint="It may draw random numbers, or hand its layers more than their inputs.",
            )
    return found


def _first_line(error: Exception) -> str:
    lines = [line for line in re.sub(r"\x1b\[\d*m|{{.*?}} ?", "", str(error)).splitlines() if line.strip()]
    return (lines[1] if len(lines) > 1 and "Exception encountered" in lines[0] else lines[0]).strip()[:200].rstrip(".")


def _same(one: Any, other: Any) -> bool:
    left, right = np.asarray(one), np.asarray(other)
    return np.array_equal(left, right, equal_nan=left.dtype.kind == "f")


def _operations(functional: Any) -> Iterator[Any]:
    """Yield what is called in a graph and is no layer."""
    keras = load_keras()
    for node in nodes_of(functional):
        if isinstance(node.operation, keras.Model):
            yield from _operations(functional_of(node.operation))
        elif not isinstance(node.operation, keras.layers.Layer):
            yield node.operation
