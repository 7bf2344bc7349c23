"""A Keras 2 model and its translation, run on the same seeded noise and compared tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_bridge.comparison import Tensors
from edgecompress.keras_types import Layer, Model
from edgecompress.tfmot.graph import walk_layers
from edgecompress.tfmot.to_keras2.verification import Trace, Words, require_same, specs_of
from edgecompress.tfmot.walks import named_arguments, replay

VOCABULARIES = ("input_dim", "num_tokens")


def require_equal(functional: Model, translated: Any, trace: Trace) -> None:
    """Run both on noise and compare every tensor; `trace` has those of the translation in the order of its calls.

    Raises:
        UnsupportedModelError: a tensor parts; the output and the layer are named. Or one of the two does not run.
    """
    outputs = [f"output '{name}'" for name in translated.output_names]
    named = [(name, tensor) for name, tensors in trace for tensor in tensors]
    named += zip(outputs, translated.outputs, strict=True)
    every = load_keras().Model(translated.input, [tensor for _, tensor in named])

    def reference(inputs: list[np.ndarray]) -> Tensors:
        return _named(named, _run(functional, inputs))

    def translation(inputs: list[np.ndarray]) -> Tensors:
        return _named(named, every(inputs if len(inputs) > 1 else inputs[0], training=False))

    require = partial(
        require_same,
        reference,
        translation,
        variables=functional.weights,
        outputs=outputs,
        words=Words("Keras 2", "Keras 3", functional.name),
    )
    try:
        require(specs_of(functional, layers=walk_layers))
    except UnsupportedModelError as error:
        if error.__cause__ is None or not any(_reads_integers(functional)):
            raise
        # It does not run on any floats; they may stand for integers, which Keras 2 does not ask an Embedding's to be.
        require(specs_of(functional, layers=walk_layers, whole=True))


def _reads_integers(functional: Model) -> Iterator[bool]:
    for layer in walk_layers(functional):
        yield any(hasattr(layer, size) for size in VOCABULARIES)


def _run(functional: Model, inputs: list[np.ndarray]) -> list[Any]:
    """Return the tensors of every call at inference, in the order of the translation's, and then the outputs."""
    tensorflow = load_tensorflow()
    tensors: list[Any] = []

    def call(node: Any, arguments: tuple[Any, ...], options: dict[str, Any], _: str) -> list[Any]:
        given = named_arguments(node.layer, arguments, options)
        if node.layer._expects_training_arg:  # by default, augmentation is in training
            arguments, options = (given.pop(node.layer._call_spec.arg_names[0]),), {**given, "training": False}
        outputs = tensorflow.nest.flatten(node.layer(*arguments, **options))
        tensors.extend(outputs)
        return outputs

    for layer in walk_layers(functional):
        _forget_dropout(layer)
    given = [tensorflow.constant(array) for array in inputs]
    replay(functional, given, call)
    return tensors + tensorflow.nest.flatten(functional(given if len(given) > 1 else given[0], training=False))


def _forget_dropout(layer: Layer) -> None:
    """Drop the masks of a recurrent cell: Keras 2 keeps those of the first call, of its batch size, for inference."""
    for part in layer._flatten_layers():
        if hasattr(part, "reset_dropout_mask"):
            part.reset_dropout_mask()
            part.reset_recurrent_dropout_mask()


def _named(named: list[tuple[str, Any]], tensors: Any) -> Tensors:
    flat = load_tensorflow().nest.flatten(tensors)
    return [(name, np.asarray(value)) for (name, _), value in zip(named, flat, strict=True)]
