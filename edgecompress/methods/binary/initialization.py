"""Where training starts: latent weights from the float ones, and batch norms that fit the scale of the signs."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecompress.keras_bridge.kernels import kernels
from edgecompress.keras_types import Layer

# Keras's 0.99 takes 500 steps to forget the initial statistics, more than a small data set has.
MOMENTUM = 0.9


def start(binary: Any, layer: Layer, batch_norm: Any | None) -> None:
    """Give `binary` latent weights in [-1, 1] made from those of `layer`, and fit the batch norm behind it.

    A filter with weights beyond +-1 is divided by its largest magnitude. The others start as they are: small weights
    change their sign sooner, which is BinaryConnect's learning rate scaled by Glorot's coefficient. Signs that are
    drawn would be noise alone from small weights: there, w / mean |w| is clipped, which the draws then are on average.

    Outputs grow by a factor for each filter: 1 / divisor where the signs are scaled by alpha, else 1 / mean |w|, since
    sign(w) mean |w| is closest to w. The bias, and the mean and variance of the batch norm, grow with them. Behind
    binary inputs the float statistics tell nothing: there, those of n random signs are the start.
    """
    weights = layer.get_weights()
    kernel = np.asarray(kernels(layer)[-1], np.float32)
    axes = tuple(range(kernel.ndim - binary.filter_axes))
    magnitudes = np.abs(kernel)
    divisor = np.maximum(magnitudes.max(axes), 1.0)
    alpha = magnitudes.mean(axes)
    unit = np.where(alpha > 0, alpha, 1.0)
    growth = (1.0 / divisor if binary.scaled else 1.0 / unit).reshape(-1)
    biases = [bias * growth for bias in weights[1:]]
    binary.set_weights([np.clip(kernel / (unit if binary.stochastic else divisor), -1.0, 1.0), *biases])
    if batch_norm is None or batch_norm.moving_mean.shape != growth.shape:  # it may be along another axis
        return
    *affine, mean, variance = batch_norm.get_weights()
    if getattr(binary, "binary_inputs", False):
        terms = kernel.size // kernel.shape[-1]
        scale = alpha / divisor if binary.scaled else 1.0
        mean = biases[0] if biases else 0.0 * mean
        variance = np.broadcast_to(np.float32(terms * np.square(scale)), variance.shape)
    else:
        mean, variance = mean * growth, variance * np.square(growth)
    batch_norm.set_weights([*affine, mean, variance])
