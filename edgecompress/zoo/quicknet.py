"""QuickNet: a residual around every 3x3 convolution, so that the sign in front of each loses nothing for good."""

from __future__ import annotations

import math
from typing import Any

from edgecompress.environment import load_keras
from edgecompress.errors import ArchitectureError
from edgecompress.zoo.architecture import Architecture, Option, require_resolution

FILTERS = (64, 128, 256, 512)  # of the four sections; each halves the map of the one before
WORD = 32  # bits; binary kernels pack channels into whole words
# As in MobileNetV1: Keras's 0.99 takes longer to forget the initial statistics than a small data set has steps.
MOMENTUM = 0.9


def build(*, resolution: int, channels: int, classes: int, width: float, blocks: int, stem_stride: int) -> Any:
    """Return QuickNet, with float convolutions where a method makes binary ones.

    block(x) = x + bn(relu(conv3x3(x))), made binary as x + bn(relu(conv3x3(sign(x)))). Between sections stand a ReLU,
    a 2x2 max-pool and a 1x1 convolution with batch norm; together with stem and head these stay real
    (`QUICKNET.keep_float`). Filters are width * (64, 128, 256, 512), in whole words of 32. The paper's stem halves
    the image by a second, depthwise convolution, and its pools are blurred; both are left out, for small images.

    Raises:
        ArchitectureError: width not positive or so small that a section has no word of channels; blocks not positive;
            resolution too small.
    """
    if not math.isfinite(width) or width * FILTERS[0] < WORD or width > 8:
        raise ArchitectureError(
            f"quicknet got width {width:g}.", hint="Use 0.5 (32 channels in the first section) to 8."
        )
    if not 1 <= blocks <= 64:
        raise ArchitectureError(
            f"quicknet got {blocks} blocks.", hint="Use 1 to 64; the paper's network has 4 a section."
        )
    require_resolution("quicknet", resolution, 8 * stem_stride)
    layers = load_keras().layers
    image = layers.Input((resolution, resolution, channels))
    filters = [round(width * each / WORD) * WORD for each in FILTERS]
    x = layers.Conv2D(filters[0], 3, strides=stem_stride, padding="same", use_bias=False, name="stem")(image)
    x = layers.BatchNormalization(momentum=MOMENTUM, name="stem_bn")(x)
    for section, count in enumerate(filters, start=1):
        if section > 1:
            x = _transition(layers, x, count, section)
        for block in range(1, blocks + 1):
            x = _block(layers, x, count, f"section{section}_block{block}")
    x = layers.ReLU(name="head_relu")(x)
    x = layers.GlobalAveragePooling2D(name="head_pool")(x)
    x = layers.Dense(classes, name="scores")(x)
    x = layers.Activation("softmax", name="predictions")(x)
    return load_keras().Model(image, x, name=f"quicknet_{width:g}_{resolution}")


def _transition(layers: Any, x: Any, filters: int, section: int) -> Any:
    name = f"transition{section}"
    x = layers.ReLU(name=f"{name}_relu")(x)
    x = layers.MaxPooling2D(2, name=f"{name}_pool")(x)
    x = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_conv")(x)
    return layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_bn")(x)


def _block(layers: Any, x: Any, filters: int, name: str) -> Any:
    inner = layers.Conv2D(filters, 3, padding="same", use_bias=False, activation="relu", name=f"{name}_conv")(x)
    inner = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_bn")(inner)
    return layers.Add(name=f"{name}_add")([x, inner])


QUICKNET = Architecture(
    name="quicknet",
    summary="a residual around every 3x3 convolution, made for binary training",
    paper="Bannink et al., Larq Compute Engine, arXiv:2011.09398",
    default_resolution=32,
    default_channels=3,
    options=(
        Option("width", 1.0, "multiplies the filters of every layer"),
        Option("blocks", 4, "residual blocks in each of the four sections"),
        Option("stem_stride", 1, "stride of the first convolution; 2 for inputs of 64 pixels and more", (1, 2)),
    ),
    construct=build,
    keep_float="stem|transition.*|scores",
)
