"""Quantization-aware training of any functional model: it rounds where the int8 file of this network will round.

Nothing is known here of what a converter fuses, or which operators have int8 kernels: the file of the untrained network
is made and asked (`convert.tflite.rounding.codes`), and its tensors are found again among what the layers compute
(`convert.tflite.rounding.layer_outputs`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecompress.convert.tflite.export import export_float
from edgecompress.convert.tflite.post_training import observed_ranges
from edgecompress.convert.tflite.rounding.codes import Codes, Kernel, codes_of
from edgecompress.convert.tflite.rounding.layer_outputs import Output, outputs_in
from edgecompress.environment import load_keras
from edgecompress.keras_bridge.graph import copy_model, give_weights, replay
from edgecompress.keras_bridge.kernels import NAMES, kernels
from edgecompress.keras_bridge.splitting.activations import split_activations
from edgecompress.keras_bridge.walks import functional_of, run
from edgecompress.keras_types import Layer, Model
from edgecompress.layers.decoders import Decoder, Theta
from edgecompress.layers.rounding.activation_range import ActivationRange, FileRecord
from edgecompress.layers.rounding.fake_quantization import FakeQuantized
from edgecompress.layers.virtual import VirtualLayer
from edgecompress.methods.protocol import Samples

COUNT, BATCH = 256, 32  # of samples on which ranges begin


@dataclass(frozen=True)
class Scheme:
    """What an int8 file of a model rounds."""

    codes: dict[Output, tuple[str, Codes]]  # by what a layer computes: the tensor that it is, and how that is held
    kernels: dict[str, bool]  # of a layer whose kernel is in int8: whether each filter has a scale of its own


def scheme_of(model: Model, parts: Model, samples: Samples, *, kept_float: Collection[str] = ()) -> Scheme:
    """Return what the int8 file of `model` rounds, by the layers of `parts`, which computes the same.

    Raises:
        ConversionError: there is no such file.
    """
    content = export_float(model)
    codes, weights = codes_of(content, keep_float="|".join(map(re.escape, kept_float)))
    outputs = outputs_in(content, parts, [each[:1] for each in samples])
    held = {layer.name: held for layer in model.layers if (held := _held(layer, weights)) is not None}
    return Scheme({outputs[name]: (name, how) for name, how in codes.items() if name in outputs}, held)


def fake_quantized(
    model: Model,
    samples: Samples,
    *,
    kept_float: Collection[str],
    weights: Callable[[Layer, str], Decoder],
    bits: Callable[[str], int],
    ranges: str = "moving",
) -> tuple[Model, Scheme]:
    """Return a model of the same layers that rounds what an int8 file does, and what that is.

    Args:
        model: a copy that may be changed.
        samples: those on which ranges begin.
        kept_float: layers that stay float.
        weights: what a kernel of a layer, by its name, is made of before it is rounded.
        bits: how many the weights of a layer have, by its name.
        ranges: "moving" or "learned" (`ActivationRange`).
    """
    parts = split_activations(copy_model(model))
    scheme = scheme_of(model, parts, samples, kept_float=kept_float)
    begun = _ranges(parts, samples)
    virtual = {
        layer.name: VirtualLayer(layer, _decoders(layer, scheme.kernels[layer.name], weights, bits))
        for layer in parts.layers
        if layer.name in scheme.kernels
    }
    calls: Counter[str] = Counter()
    taken = {layer.name for layer in parts.layers}

    def free(name: str) -> str:
        while name in taken:
            name += "_"
        taken.add(name)
        return name

    def behind(name: str, outputs: list[Any]) -> list[Any]:
        call = calls[name]
        calls[name] += 1
        return [rounded(value, Output(name, call, place)) for place, value in enumerate(outputs)]

    def rounded(value: Any, output: Output) -> Any:
        tensor, how = scheme.codes.get(output, ("", Codes()))
        if not tensor or not (how.fixed or how.range_of == tensor):  # what is pooled or cut has the codes that it had
            return value
        low, high = how.fixed or begun[output]
        kind = "fixed" if how.fixed else ranges
        return ActivationRange(tensor=tensor, low=low, high=high, kind=kind, name=free(f"{output.layer}_range"))(value)

    return replay(parts, lambda layer, prefix: virtual.get(layer.name, layer), behind), scheme


def plain_weights(trained: Model, source: Model) -> Model:
    """Return a copy of `source` with the weights of its training, not rounded."""
    plain = copy_model(source)
    found = {layer.name: layer for layer in trained.layers}
    for layer in plain.layers:
        if layer.weights:
            give_weights(layer, _weights(found[layer.name], rounded=False))
    return plain


def plain_layers(trained: Model, plain_model: Model, samples: Samples, *, kept_float: Collection[str]) -> Model:
    """Return a model of plain layers that rounds as the trained one does, with rounded kernels.

    The ranges of what is computed inside of layers are those that the float file of `plain_model` has on the samples.
    """
    record = _record(trained, plain_model, tuple(each[:COUNT] for each in samples), kept_float)
    first = functional_of(trained).inputs[0]._keras_history.operation.name
    plain: dict[str, Layer] = {}

    def substitute(layer: Layer, prefix: str) -> Layer:
        if layer.name not in plain:
            virtual = isinstance(layer, VirtualLayer)
            plain[layer.name] = layer.plain() if virtual else type(layer).from_config(layer.get_config())
        return plain[layer.name]

    def behind(name: str, outputs: list[Any]) -> list[Any]:
        return [record(each) for each in outputs] if name == first else outputs

    model = replay(trained, substitute, behind)
    for layer in trained.layers:
        if layer.name in plain and layer.weights:
            give_weights(plain[layer.name], _weights(layer, rounded=True))
    return model


def _record(trained: Model, plain: Model, samples: Samples, kept_float: Collection[str]) -> FileRecord:
    learnt = {layer.tensor for layer in trained.layers if isinstance(layer, ActivationRange)}
    observed = observed_ranges(export_float(plain), samples)
    ranges = {name: ends for name, ends in observed.items() if name not in learnt}
    return FileRecord(layers=sorted(kept_float), ranges=ranges, name="file_record")


def _weights(layer: Layer, *, rounded: bool) -> list[np.ndarray]:
    if not isinstance(layer, VirtualLayer):
        return list(layer.get_weights())

    def decoded(decoder: Decoder, theta: Theta) -> np.ndarray:
        kept = decoder.inner if isinstance(decoder, FakeQuantized) and not rounded else decoder
        return kept.array(theta)

    return layer.weights_with(decoded)


def _decoders(
    layer: Layer, by_filter: bool, weights: Callable[[Layer, str], Decoder], bits: Callable[[str], int]
) -> dict[str, Decoder]:
    found: dict[str, Decoder] = {}
    for name in NAMES:
        kernel = getattr(layer, name, None)
        if kernel is not None:
            filters = _filter_axes(layer, len(kernel.shape)) if by_filter else ()
            shared = tuple(axis for axis in range(len(kernel.shape)) if axis not in filters)
            found[name] = FakeQuantized(weights(layer, name), shared, bits(layer.name))
    return found


def _filter_axes(layer: Layer, rank: int) -> tuple[int, ...]:
    """The axes of a kernel that number its filters."""
    layers = load_keras().layers
    if isinstance(layer, layers.DepthwiseConv1D | layers.DepthwiseConv2D):
        return rank - 2, rank - 1
    return (rank - 2,) if isinstance(layer, layers.Conv1DTranspose | layers.Conv2DTranspose) else (rank - 1,)


def _ranges(model: Model, samples: Samples) -> dict[Output, tuple[float, float]]:
    """The least and the greatest number that each call of a layer computes of the samples."""
    found: dict[Output, tuple[float, float]] = {}
    functional = functional_of(model)
    names = [each._keras_history.operation.name for each in functional.inputs]
    for start in range(0, min(len(samples[0]), COUNT), BATCH):
        batch = [each[start : start + BATCH] for each in samples]
        calls, _ = run(functional, batch)
        times: Counter[str] = Counter()
        computed = [(name, [array]) for name, array in zip(names, batch, strict=True)]
        computed += [(operation.name, outputs) for operation, outputs in calls]
        for name, outputs in computed:
            for place, output in enumerate(np.asarray(each) for each in outputs):
                key = Output(name, times[name], place)
                low, high = found.get(key, (0.0, 0.0))
                found[key] = min(low, float(output.min())), max(high, float(output.max()))
            times[name] += 1
    return found


def _held(layer: Layer, weights: dict[str, Kernel]) -> bool | None:
    """Whether each filter of a layer has a scale of its own; None where its kernel stays float."""
    sizes = [int(np.prod(kernel.shape)) for kernel in kernels(layer)]
    for tensor, kernel in weights.items():
        if kernel.elements in sizes and any(layer.name in path.split("/") for path in tensor.split(";")):
            return kernel.scales > 1
    return None
