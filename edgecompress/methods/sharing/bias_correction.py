"""Bias correction: the mean shift that changed kernels give a layer's outputs, taken back by its bias."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from edgecompress.environment import load_keras
from edgecompress.keras_bridge.graph import first_input
from edgecompress.keras_types import Layer
from edgecompress.methods.protocol import Model
from edgecompress.methods.sharing.prefix import values_of


def correct_biases(original: Model, changed: Model, names: Collection[str], images: np.ndarray) -> dict[str, str]:
    """Correct the biases of the layers `names` of `changed` in place; return by name why others were left.

    `b <- b + E[W x + b] - E[W^ x^ + b]` layer by layer in the order of the network, W and x being kernel and inputs in
    `original`, W^ the new kernel and x^ its inputs behind the layers that were corrected already. The means go over
    `images`, and over positions. With x^ = x this is `b <- b + (W - W^) E[x]`: errors of rounding have a mean wherever
    inputs have one, such as a constant background, and add up over all inputs. Nagel et al., arXiv:1906.04721, section
    4.2, who know E[x] from batch normalization; their appendix compares means on images, as here.
    """
    left = {}
    for layer in changed.layers:
        if layer.name in names:
            reason = _unfit(layer)
            if reason:
                left[layer.name] = reason
            else:
                shift = _mean_response(original, layer.name, images) - _mean_response(changed, layer.name, images)
                layer.bias.assign_add(shift.astype(np.float32))
    return left


def _unfit(layer: Layer) -> str:
    layers = load_keras().layers
    if type(layer) not in (layers.Dense, layers.Conv2D, layers.DepthwiseConv2D):
        return f"the bias of this {type(layer).__name__} cannot be corrected"
    return "" if layer.use_bias else "it has no bias to correct"


def _mean_response(model: Model, name: str, images: np.ndarray) -> np.ndarray:
    """Return what the layer gives before its activation, one mean a channel."""
    layer = model.get_layer(name)
    linear = type(layer).from_config({**layer.get_config(), "activation": None})
    response = linear(first_input(layer))
    linear.set_weights(layer.get_weights())
    total = np.zeros(response.shape[-1])
    count = 0
    for values in values_of(model, response, images):
        rows = values.reshape(-1, len(total))
        total += rows.sum(axis=0, dtype=np.float64)
        count += len(rows)
    return total / count
