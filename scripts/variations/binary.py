"""Layers behind binary ones (19): what is folded into thresholds, in every order of operators, and at the ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from variations.variation import Placed, Variation

BINARY = "B.BinaryConv2D(32, 3, padding='same', use_bias=False, name='b1')"
# `y` is the output of a binary convolution; a second one reads what is made of it, or it is an output.
BEHIND = """
    1.0 - L.MaxPooling2D(2)(y)
    L.MaxPooling2D(2)(y) - 1.0
    1.0 - y
    -1.0 * L.MaxPooling2D(2)(y)
    L.MaxPooling2D(2)(1.0 - y)
    L.MaxPooling2D(3, strides=2, padding='same')(y * -0.5)
    L.BatchNormalization()(L.MaxPooling2D(2)(y))
    L.MaxPooling2D(2)(L.BatchNormalization(gamma_initializer=K.initializers.Constant(-1.0))(y))
    L.BatchNormalization(gamma_initializer=K.initializers.Constant(-2.0))(L.MaxPooling2D(2)(-y))
    L.ReLU(6.0)(3.0 - y)
    L.ReLU()(L.MaxPooling2D(2)(-y) + 2.0)
    L.Add()([y, 1.0 - y * 0.5])
    L.AveragePooling2D(2)(2.0 - y)
    L.Maximum()([y, -y])
    L.Subtract()([L.MaxPooling2D(2)(y), L.MaxPooling2D(2)(-y)])
    L.PReLU(shared_axes=[1, 2], alpha_initializer=K.initializers.Constant(-0.5))(y)
    L.LeakyReLU(0.2)(L.BatchNormalization()(y)) * -1.0
    L.ZeroPadding2D(1)(1.0 - y)
    L.Concatenate()([y, 1.0 - y])
    L.UpSampling2D(2)(5.0 - L.MaxPooling2D(2)(y))
    L.Dropout(0.3)(L.MaxPooling2D(2)(y)) / -2.0
"""


@dataclass(frozen=True)
class Binary:
    """Every line in front of another binary layer, of a real one, and as an output."""

    def variations(self) -> Iterator[Variation]:
        """Yield them."""
        lines = [line.strip() for line in BEHIND.strip().splitlines()]
        for index, line in enumerate(lines):
            front = f"(lambda y: {line})({BINARY}(L.BatchNormalization()(x)))"
            ends = {
                "binary": f"L.GlobalAveragePooling2D()(B.BinaryConv2D(16, 3, use_bias=False)({front}))",
                "real": f"L.Dense(4)(L.GlobalAveragePooling2D()({front}))",
                "output": front,
            }
            for turn in range(2):
                end = tuple(ends)[(index + turn) % 3]
                place = ("alone", "tapped", "nested")[(index + turn) // 3 % 3]
                yield Variation(
                    "19", f"{end}, {place}: {line}", Placed(ends[end], "image", place), keras="2", ending="h5",
                    targets=("tflite:binary", "onnx:binary"), calibrate="", says=("binary",),
                )  # fmt: skip


TABLES = (Binary(),)
