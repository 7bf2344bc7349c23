"""A Keras 3 model and its translation, run on the same seeded noise and compared tensor by tensor."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecompress.environment import load_tensorflow, load_tf_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_bridge.comparison import Parting, Side, Spec, Tensors, compare
from edgecompress.keras_bridge.walks import run, walk_layers
from edgecompress.keras_types import Model
from edgecompress.tfmot.tensor_kinds import dtype_of

Trace = Sequence[tuple[str, Sequence[Any]]]


@dataclass(frozen=True)
class Words:
    """What errors say: which Keras the model is of and is translated into, and its name."""

    of: str
    into: str
    name: str


def require_equal(functional: Model, translated: Any, trace: Trace) -> None:
    """Run both on noise and compare every tensor; `trace` has those of the translation in the order of its calls.

    Raises:
        UnsupportedModelError: a tensor parts; the output and the layer are named. Or one of the two does not run.
    """
    keras = load_tf_keras()
    named = [(name, tensor) for name, tensors in trace for tensor in tensors]
    named += [(name, tensor) for name, tensor in zip(_output_names(translated), translated.outputs, strict=True)]
    every = keras.Model(translated.inputs, [tensor for _, tensor in named])

    def reference(inputs: list[np.ndarray]) -> Tensors:
        calls, outputs = run(functional, inputs)
        tensors = [tensor for _, found in calls for tensor in found] + outputs
        return [(name, np.asarray(value)) for (name, _), value in zip(named, tensors, strict=True)]

    def translation(inputs: list[np.ndarray]) -> Tensors:
        tensors = load_tensorflow().nest.flatten(every(inputs if len(inputs) > 1 else inputs[0], training=False))
        return [(name, np.asarray(value)) for (name, _), value in zip(named, tensors, strict=True)]

    require_same(
        reference,
        translation,
        specs_of(functional),
        variables=functional.weights,
        outputs=_output_names(translated),
        words=Words("Keras 3", "Keras 2", functional.name),
    )


def require_same(
    reference: Side,
    translation: Side,
    specs: Sequence[Spec],
    *,
    variables: Sequence[Any],
    outputs: Sequence[str],
    words: Words,
) -> None:
    """Compare two forms of a model on noise; `variables` are the weights of `reference`.

    Raises:
        UnsupportedModelError: a tensor parts; the output and the layer are named. Or one of the two does not run.
    """
    try:
        parted = compare(reference, translation, specs, variables=variables)
    except (ValueError, TypeError, load_tensorflow().errors.OpError) as error:
        raise UnsupportedModelError(
            f"The {words.of} model '{words.name}' does not run on seeded noise, so that its translation to "
            f"{words.into} cannot be compared with it.",
            hint="Give its inputs fixed shapes, and check that it runs on arrays of them.",
        ) from error
    parted = [each for each in parted if each.name in outputs or not math.isnan(each.difference)]
    if parted:
        raise _refusal(parted, outputs, words)


def _output_names(translated: Any) -> list[str]:
    return [f"output '{name}'" for name in translated.output_names]


def specs_of(
    functional: Model, *, layers: Callable[[Any], Iterator[Any]] = walk_layers, whole: bool = False
) -> list[Spec]:
    """Return the inputs; integers, and floats that are to be `whole`, stay below the smallest vocabulary."""
    sizes = [getattr(layer, key, None) for layer in layers(functional) for key in ("input_dim", "num_tokens")]
    limit = min((size for size in sizes if isinstance(size, int)), default=256)
    return [_spec(tuple(tensor.shape), dtype_of(tensor), limit, whole=whole) for tensor in functional.inputs]


def _spec(shape: tuple[int | None, ...], dtype: str, limit: int, *, whole: bool) -> Spec:
    if "int" in dtype:
        return Spec(shape, dtype, min(limit, np.iinfo(dtype).max + 1))
    return Spec(shape, dtype, limit if whole else 0, whole=whole)


def _refusal(parted: list[Parting], outputs: Sequence[str], words: Words) -> UnsupportedModelError:
    first = parted[0]
    affected = [each.name for each in parted if each.name in outputs]
    where = f"{first.name} is where they part first" if first.name not in outputs else "all layers before it agree"
    if math.isnan(first.difference):
        return UnsupportedModelError(
            f"The translation of the {words.of} model to {words.into} cannot be compared: rounding alone moves "
            f"{first.name} by more than a thousandth on seeded noise.",
            hint="Train the model, or bring its inputs and activations into the range of ordinary numbers.",
        )
    return UnsupportedModelError(
        f"The translation of the {words.of} model to {words.into} computes something else: on seeded noise "
        f"{affected[0] if affected else first.name} is up to {first.difference:.3g} apart, where rounding explains "
        f"{first.bound:.3g}; {where}.",
        hint="Replace that layer by another that computes the same.",
    )
