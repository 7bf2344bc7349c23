"""Exact parameters and multiply-adds of a network, by the same counting that `inspect` does on files."""

from __future__ import annotations

import math

from edgecompress.formats.keras.config import summarize_config
from edgecompress.keras_types import Model


def count(model: Model) -> tuple[int, int]:
    """Return the trained parameters and, for one input, the multiply-adds of convolutions and matrix products.

    Batch-norm gamma and beta count as parameters, its moving statistics do not; biases, batch norm, activations and
    pooling count no multiply-adds.
    """
    summaries = [layer.summary for layer in summarize_config(model.get_config()).layers]
    return sum(layer.parameters for layer in summaries), sum(layer.multiply_adds for layer in summaries)


def batch_norm_statistics(model: Model) -> int:
    """Return how many moving means and variances there are: stored, but neither trained nor counted."""
    return sum(math.prod(weight.shape) for weight in model.non_trainable_weights)
