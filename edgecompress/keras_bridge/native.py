"""A functional model of Keras 3 as it is, with what emitting and comparing it asks of a model: no translation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_bridge.walks import functional_of, nodes_of, run, walk_layers
from edgecompress.keras_types import Model, Variable

_SCOPE = re.compile(r"L(\d{4,})__/")  # in front of all that a layer computes


@dataclass(frozen=True)
class GraphInput:
    """An input: its name, its shape with None for what is free, and TensorFlow's type of it."""

    name: str
    shape: tuple[int | None, ...]
    dtype: Any


class NativeModel:
    """Calls a model of Keras 3 layer by layer at inference, each under a scope of its own.

    Keras 3 gives the operations of a layer `conv` such names as `net_1/conv_1/Relu`, and `conv_1` is another layer's
    name. `own_names` makes of them what Keras 2 would have said, `net/conv/Relu`.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._functional = functional_of(model)
        self._scoped: list[Any] = []

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model.name

    @property
    def keras_model(self) -> Model:
        """The model of Keras 3."""
        return self._model

    @cached_property
    def inputs(self) -> tuple[GraphInput, ...]:
        """The inputs, in order."""
        as_dtype = load_tensorflow().as_dtype
        return tuple(GraphInput(each.name, tuple(each.shape), as_dtype(each.dtype)) for each in self._functional.inputs)

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return [each.name for each in self.inputs]

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

    def traced(self, inputs: Sequence[Any]) -> list[Any]:
        """Return the outputs, computed layer by layer, of tensors in a graph that is traced.

        The weights stand in that graph as constants: to replace variables in it later takes longer than to trace it.

        Raises:
            UnsupportedModelError: a layer assigns to a variable, as one that remembers does, or makes a sparse tensor.
        """
        tensorflow, keras, variables = load_tensorflow(), load_keras(), self._model.variables
        with tensorflow.init_scope():  # where variables have values
            values = [variable.numpy() for variable in variables]
        constants = list(map(tensorflow.constant, values))
        with keras.StatelessScope(list(zip(variables, constants, strict=True))) as scope:
            calls, outputs = run(self._functional, inputs, around=self._scope)
        for operation, made in calls:  # what Keras says of symbolic tensors errs
            if any(isinstance(each, tensorflow.SparseTensor) for each in made):
                raise UnsupportedModelError(
                    f"Layer '{operation.name}' ({type(operation).__name__}) makes a sparse tensor; files have none.",
                    hint="Build it with sparse=False.",
                )
        for variable, constant in zip(variables, constants, strict=True):
            if scope.get_current_value(variable) is not constant:
                raise self._assigns(variable)
        return outputs

    def _assigns(self, variable: Variable) -> UnsupportedModelError:
        """The refusal of a layer that changes a variable: those that draw random numbers change their generator's."""
        owners = [each for each in self.layers if any(own is variable for own in getattr(each, "variables", ()))]
        who = f"Layer '{owners[0].name}' ({type(owners[0]).__name__})" if owners else f"The model '{self.name}'"
        if variable.path.endswith("seed_generator_state"):
            return UnsupportedModelError(
                f"{who} draws random numbers at inference, so that nothing can be compared with the model.",
                hint="Leave out what samples, or is called with training=True.",
            )
        return UnsupportedModelError(
            f"{who} assigns to its variable '{variable.path}' when it computes: its outputs depend on what it was "
            "called with before.",
            hint="Give that state in and out, as an input and an output of the model.",
        )

    def compute(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the outputs as Keras computes them at inference."""
        keras = load_keras()
        arguments = keras.tree.pack_sequence_as(
            self._functional._inputs_struct, list(map(keras.ops.convert_to_tensor, inputs))
        )
        return [np.asarray(each) for each in keras.tree.flatten(self._functional(arguments, training=False))]

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
        (only,) = self._functional.inputs
        readers = [
            node.operation
            for node in nodes_of(self._functional)
            if any(each is only for each in node.arguments.keras_tensors)
        ]
        return readers[0] if len(readers) == 1 else None


def _operations(functional: Model) -> Iterator[Any]:
    """Yield what is called in a graph and is no layer."""
    keras = load_keras()
    for node in nodes_of(functional):
        if isinstance(node.operation, keras.Model):
            yield from _operations(functional_of(node.operation))
        elif not isinstance(node.operation, keras.layers.Layer):
            yield node.operation
