"""Walks over the graphs of Keras 2 models, call by call, with the calls inside nested models in the place of these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from edgecompress.environment import load_tensorflow, load_tf_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_types import Layer, Model
from edgecompress.tfmot.graph import functional_of

# What a call becomes: (node, positional arguments, keyword arguments, names of the models it is in) -> its tensors.
Call = Callable[[Any, tuple[Any, ...], dict[str, Any], str], list[Any]]


def replay(functional: Model, inputs: Sequence[Any], call: Call, *, prefix: str = "") -> list[Any]:
    """Return what a graph's outputs become with `inputs` for its inputs and `call` for each call of a layer.

    Raises:
        UnsupportedModelError: an output depends on none of the inputs.
    """
    nest = load_tensorflow().nest
    tensors = {id(old): new for old, new in zip(functional.inputs, inputs, strict=True)}
    for node in nodes_of(functional):
        arguments, options = nest.map_structure(
            lambda value: tensors.get(id(value), value), (node.call_args, node.call_kwargs)
        )
        if is_model(node.layer):
            inner = functional_of(node.layer)
            given = inner._flatten_to_reference_inputs(arguments[0] if arguments else options["inputs"])
            outputs = replay(inner, given, call, prefix=f"{prefix}{node.layer.name}")
        else:
            outputs = call(node, tuple(arguments), options, prefix)
        tensors.update((id(old), new) for old, new in zip(nest.flatten(node.outputs), outputs, strict=True))
    if any(id(tensor) not in tensors for tensor in functional.outputs):
        raise UnsupportedModelError(
            f"An output of the Keras 2 model '{functional.name}' is not computed of its inputs.",
            hint="Rebuild it with the functional API, keras.Model(inputs, outputs).",
        )
    return [tensors[id(tensor)] for tensor in functional.outputs]


def nodes_of(functional: Model) -> Iterator[Any]:
    """Yield the calls of a graph in an order in which they can be computed."""
    for depth in sorted(functional._nodes_by_depth, reverse=True):
        yield from (node for node in functional._nodes_by_depth[depth] if not node.is_input)


def named_arguments(layer: Layer, arguments: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call of a layer by the names that they have in its definition."""
    return {**dict(zip(layer._call_spec.arg_names, arguments, strict=False)), **options}


def is_model(layer: Layer) -> bool:
    """Return whether a layer is a nested model."""
    return isinstance(layer, load_tf_keras().Model)
