"""MobileNetV1: depthwise separable convolutions, made thinner by one multiplier and smaller by another."""

from __future__ import annotations

import math
from typing import Any

from edgecompress.environment import load_keras
from edgecompress.errors import ArchitectureError
from edgecompress.zoo.architecture import Architecture, Option, require_resolution

# (filters, stride) of the thirteen blocks behind the stem of 32 filters; Table 1 of the paper.
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
SHALLOW = tuple(block for block in BLOCKS if block != (512, 1))  # without the five blocks of 14 x 14 x 512
# Keras's 0.99 takes 500 steps to forget the initial statistics of one layer, and longer for 27 on top of one another:
# more than a small data set has. Weights do not depend on it.
MOMENTUM = 0.9


def build(*, resolution: int, channels: int, classes: int, width: float, shallow: bool, stem_stride: int) -> Any:
    """Return MobileNetV1, layer for layer compatible with `tf_keras.applications.MobileNet`, so that its weights load.

    A block is a 3x3 depthwise and a 1x1 convolution, each with batch norm and ReLU6; filters are int(width * filters).
    Multiply-adds of a block: D^2 M F^2 + M N F^2 with kernel D, maps F x F, M filters in and N out.
    stem_stride 1 suits inputs under 64 pixels. The stem makes ceil(n / stem_stride) of n pixels and each of the four
    strided blocks floor(n / 2), so that 16 must come out of the stem: 31 pixels, or 16 with stem_stride 1.

    Raises:
        ArchitectureError: width not positive or so small that no filter is left, resolution too small.
    """
    if not math.isfinite(width) or int(width * 32) < 1 or width > 8:
        raise ArchitectureError(
            f"mobilenet_v1 got width {width:g}.",
            hint="Use 0.03125 (1 filter in the stem) to 8; the paper's are 0.25 to 1.",
        )
    blocks = SHALLOW if shallow else BLOCKS
    require_resolution("mobilenet_v1", resolution, 15 * stem_stride + 1)
    layers = load_keras().layers
    image = layers.Input((resolution, resolution, channels))
    x = layers.Conv2D(int(32 * width), 3, strides=stem_stride, padding="same", use_bias=False, name="conv1")(image)
    x = layers.BatchNormalization(momentum=MOMENTUM, name="conv1_bn")(x)
    x = layers.ReLU(6.0, name="conv1_relu")(x)
    for index, (filters, stride) in enumerate(blocks, start=1):
        x = _block(layers, x, int(filters * width), stride, index)
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Dropout(1e-3, name="dropout")(x)
    x = layers.Conv2D(classes, 1, padding="same", name="conv_preds")(x)
    x = layers.Reshape((classes,), name="reshape_2")(x)
    x = layers.Activation("softmax", name="predictions")(x)
    return load_keras().Model(image, x, name=f"mobilenet_v1_{width:g}_{resolution}")


def _block(layers: Any, x: Any, filters: int, stride: int, index: int) -> Any:
    if stride == 2:
        x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{index}")(x)
    x = layers.DepthwiseConv2D(
        3, padding="same" if stride == 1 else "valid", strides=stride, use_bias=False, name=f"conv_dw_{index}"
    )(x)
    x = layers.BatchNormalization(momentum=MOMENTUM, name=f"conv_dw_{index}_bn")(x)
    x = layers.ReLU(6.0, name=f"conv_dw_{index}_relu")(x)
    x = layers.Conv2D(filters, 1, padding="same", use_bias=False, name=f"conv_pw_{index}")(x)
    x = layers.BatchNormalization(momentum=MOMENTUM, name=f"conv_pw_{index}_bn")(x)
    return layers.ReLU(6.0, name=f"conv_pw_{index}_relu")(x)


MOBILENET_V1 = Architecture(
    name="mobilenet_v1",
    summary="depthwise separable convolutions with width and resolution multipliers",
    paper="Howard et al., MobileNets, arXiv:1704.04861",
    default_resolution=224,
    default_channels=3,
    options=(
        Option("width", 1.0, "multiplies the filters of every layer"),
        Option("shallow", False, "leave out the five blocks of 14 x 14 x 512"),
        Option("stem_stride", 2, "stride of the first convolution; 1 for inputs under 64 pixels", (1, 2)),
    ),
    construct=build,
)
