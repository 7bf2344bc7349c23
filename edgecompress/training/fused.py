"""Batch normalization in a training: by TensorFlow's fused kernel, for some forty operations of Keras 3, or still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.keras_bridge.walks import walk_layers
from edgecompress.keras_types import Layer, Model, Tensor


@contextmanager
def fused_batch_norms(model: Model) -> Iterator[None]:
    """Have the batch norms of a Keras 3 model computed by the fused kernel where they normalize the last of four axes.

    Equal to what they compute otherwise but for rounding. What they are when calls are traced here stays in the trace.
    """
    keras = load_keras()
    norms = [layer for layer in walk_layers(model) if type(layer) is keras.layers.BatchNormalization]
    fusible = [
        layer
        for layer in norms
        if layer.axis in (-1, 3)
        and not (layer.renorm or layer.synchronized)
        and layer.compute_dtype == layer.variable_dtype == "float32"
    ]
    for layer in fusible:
        layer.call = partial(_call, layer, layer.call)
    try:
        yield
    finally:
        for layer in fusible:
            del layer.call  # the class's is found again


@contextmanager
def still_batch_norms(model: Model) -> Iterator[None]:
    """Have the batch norms of a Keras 3 model compute as at inference in a training; gamma and beta are trained."""
    keras = load_keras()
    norms = [layer for layer in walk_layers(model) if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in norms:
        layer.call = partial(_still, layer.call)
    try:
        yield
    finally:
        for layer in norms:
            del layer.call  # the class's is found again


def _still(call: Any, inputs: Tensor, training: bool | None = None, mask: Tensor = None) -> Tensor:
    return call(inputs, training=False, mask=mask)


def _call(layer: Layer, composed: Any, inputs: Tensor, training: bool | None = None, mask: Tensor = None) -> Tensor:
    if not (training and layer.trainable and mask is None and len(inputs.shape) == 4):
        return composed(inputs, training=training, mask=mask)
    tensorflow = load_tensorflow()
    channels = inputs.shape[-1]
    gamma = layer.gamma.value if layer.scale else tensorflow.ones([channels])
    beta = layer.beta.value if layer.center else tensorflow.zeros([channels])
    outputs, mean, variance = tensorflow.compat.v1.nn.fused_batch_norm(inputs, gamma, beta, epsilon=layer.epsilon)
    # The kernel returns sum (x - mean)^2 / (n - 1); Keras 3 follows the mean of squares, over n.
    count = tensorflow.cast(tensorflow.size(inputs) // channels, tensorflow.float32)
    for moving, now in ((layer.moving_mean, mean), (layer.moving_variance, variance * ((count - 1) / count))):
        moving.assign(moving.value * layer.momentum + now * (1 - layer.momentum))
    return outputs
