"""What reaches a layer: parts of a network, run on images batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgecompress.environment import load_keras
from edgecompress.methods.protocol import Model

BATCH = 32  # images at once, so that the feature maps of a large network fit into memory


def values_of(model: Model, tensor: Any, images: np.ndarray) -> Iterator[np.ndarray]:
    """Yield `tensor`, computed from the inputs of `model` by its layers, for a batch of `images` after the other."""
    upto = load_keras().Model(model.input, tensor)
    for start in range(0, len(images), BATCH):
        yield np.asarray(upto(images[start : start + BATCH]))
