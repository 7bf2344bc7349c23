"""A model of Keras 2 as it is, with what emitting and comparing it asks of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from edgecompress.environment import keras_of, load_tensorflow, load_tf_keras
from edgecompress.keras_bridge.native import GraphInput, NativeModel
from edgecompress.keras_types import Model
from edgecompress.tfmot.graph import inbound_layers, walk_layers


class NativeKeras2Model:
    """What `NativeModel` is of a model of Keras 3: Keras 2 gives operations the names of their layers by itself."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.name: str = model.name
        self.inputs = tuple(
            GraphInput(name, tuple(tensor.shape), tensor.dtype)
            for name, tensor in zip(model.input_names, model.inputs, strict=True)
        )
        self.input_names: list[str] = list(model.input_names)
        self.output_names: list[str] = list(model.output_names)
        self.layers: list[Any] = list(walk_layers(model))

    def own_names(self, path: str) -> str:
        """Return the path of an operation as it is."""
        return path

    def traced(self, inputs: Sequence[Any]) -> list[Any]:
        """Return the outputs of tensors in a graph that is traced."""
        found = self._model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)
        return load_tensorflow().nest.flatten(found)

    def compute(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the outputs as Keras computes them at inference."""
        return [np.asarray(each) for each in self.traced(inputs)]

    def beginnings(self) -> Iterator[tuple[Any, NativeKeras2Model]]:
        """Each layer, in order, and the part of the model that ends with it."""
        for layer in self._model.layers:
            yield layer, NativeKeras2Model(load_tf_keras().Model(self._model.inputs, layer.get_output_at(0)))

    def first_layer(self) -> Any | None:
        """Return the layer that alone reads the only input, if there is such a one."""
        if len(self.inputs) != 1:
            return None
        inputs = {id(layer) for layer in self._model.layers if isinstance(layer, load_tf_keras().layers.InputLayer)}
        readers = [layer for layer in self._model.layers if inputs & {id(each) for each in inbound_layers(layer)}]
        return readers[0] if len(readers) == 1 else None


def native(model: Model) -> NativeModel | NativeKeras2Model:
    """Return a functional or Sequential model of either Keras as conversion takes it.

    Raises:
        UnsupportedModelError: it is subclassed.
    """
    if isinstance(model, NativeModel | NativeKeras2Model):
        return model
    return NativeKeras2Model(model) if keras_of(model) is load_tf_keras() else NativeModel(model)
