"""Softmax over other axes (03), augmentation (07), ranges of pixels (08) and pads in front of pools (21)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from variations.variation import Table, Variation


def _pixel_models() -> dict[str, Callable[[Any], list[Any]]]:
    """What a network of pictures may begin with."""
    return {
        "Rescaling(1/255)": lambda L: [L.Rescaling(1 / 255)],
        "Rescaling(1/127.5, -1)": lambda L: [L.Rescaling(1 / 127.5, offset=-1)],
        "Rescaling(2, -1)": lambda L: [L.Rescaling(2.0, offset=-1)],
        "Rescaling(1)": lambda L: [L.Rescaling(1.0)],
        "Rescaling(255)": lambda L: [L.Rescaling(255.0)],
        "Rescaling a channel": lambda L: [L.Rescaling([1 / 255, 1 / 250, 1 / 245])],
        "Rescaling twice": lambda L: [L.Rescaling(1 / 255), L.Rescaling(2.0, offset=-1)],
        "RandomFlip, Rescaling": lambda L: [L.RandomFlip(), L.Rescaling(1 / 255)],
        "Resizing, Rescaling": lambda L: [L.Resizing(8, 8), L.Rescaling(1 / 255)],
        "Normalization of pixels": lambda L: [L.Normalization(mean=[123.0, 117, 104], variance=[3400.0, 3200, 3300])],
        "Normalization of 0..1": lambda L: [L.Normalization(mean=[0.48, 0.45, 0.4], variance=[0.05, 0.05, 0.06])],
        "Rescaling, Normalization": lambda L: [L.Rescaling(1 / 255), L.Normalization(mean=0.5, variance=0.1)],
        "BatchNormalization": lambda L: [L.BatchNormalization()],
        "nothing": lambda L: [],
        "ZeroPadding2D, Rescaling": lambda L: [L.ZeroPadding2D(1), L.Rescaling(1 / 255)],
    }  # fmt: skip


def _pixels() -> list[Variation]:
    """Each with every range that a user may give, or none, calibrated with pictures."""

    def build(first: Callable[[Any], list[Any]], nested: bool) -> Callable[[Any], Any]:
        def made(keras: Any) -> Any:
            keras.utils.set_random_seed(3)
            L = keras.layers
            behind = [L.Conv2D(8, 3, activation="relu"), L.GlobalAveragePooling2D(), L.Dense(4)]
            if nested:
                inner = keras.Sequential([keras.Input((12, 12, 3)), *first(L)], name="front")
                return keras.Sequential([keras.Input((12, 12, 3), name="given"), inner, *behind])
            return keras.Sequential([keras.Input((12, 12, 3), name="given"), *first(L), *behind])

        return made

    found = []
    for index, (name, first) in enumerate(_pixel_models().items()):
        given = ((0.0, 255.0), (0.0, 1.0), (-1.0, 1.0))[index % 3]
        for turn, each in enumerate((None, given)):
            keras = "32"[(index + turn) % 2]
            found.append(
                Variation(
                    "08", f"{name}, range {each}", build(first, index % 3 == 2 and name != "nothing"), keras=keras,
                    ending=("keras", "h5")[index % 2], calibrate="images", input_range=each,
                    io=("int8", "uint8")[index % 2], span=each or SPANS.get(name, (0.0, 255.0)),
                    says=("--input-range",),
                )
            )  # fmt: skip
    return found


# What the first layer tells, which a file without a given range is run on.
SPANS = {"Rescaling(2, -1)": (0.0, 1.0), "Rescaling(1)": (-1.0, 1.0), "Normalization of 0..1": (0.0, 1.0)}


class Pixels:
    """The variations of case 08, in the form of a table."""

    @staticmethod
    def variations() -> list[Variation]:
        """Return them."""
        return _pixels()


TABLES = (
    Table("03", "image", """
        L.Softmax(axis=1)(x)
        L.Softmax(axis=2)(x)
        L.Softmax(axis=-2)(x)
        L.Softmax(axis=[1, 2])(x)
        L.Softmax(axis=3)(L.Conv2D(5, 3)(x)) * 2.0
        3: O.softmax(x, axis=1)
        3: O.softmax(x, axis=(1, 2))
        3: O.softmax(x, axis=None)
        3: O.log_softmax(x, axis=1)
        3: O.logsumexp(x, axis=2)
        3: O.softmax(x, axis=2) * x
        3: O.normalize(x, axis=1)
        3: O.cumsum(x, axis=1)
        3: O.flip(x, axis=2)
        3: O.roll(x, 2, axis=1)
        3: O.argmax(x, axis=1)
        3: O.max(x, axis=(1, 2), keepdims=True) - x
        3: O.prod(x, axis=-1)
        3: O.std(x, axis=1)
        3: O.concatenate([x, x * 2.0], axis=1)
        3: O.stack([x, x * 2.0], axis=2)
        3: O.split(x, 2, axis=1)
        3: O.repeat(x, 2, axis=2)
        3: O.take(x, np.array([2, 0]), axis=3)
        3: O.swapaxes(x, 1, 3)
        3: O.glu(x, axis=1)
        """),
    Table("03", "steps", """
        L.Softmax(axis=1)(x)
        L.Dense(5, activation='softmax')(x)
        L.UnitNormalization(axis=1)(x)
        L.LayerNormalization(axis=1)(x)
        L.BatchNormalization(axis=1)(x)
        L.LayerNormalization(axis=[1, 2])(x)
        L.Dot(axes=(1, 1))([x, x])
        L.Dot(axes=2, normalize=True)([x, L.Dense(6)(x)])
        L.Concatenate(axis=1)([x, L.Dense(6)(x)])
        """),
    Table("07", "rgb", """
        L.RandomFlip('horizontal')(x)
        L.RandomRotation(0.1)(x)
        L.RandomZoom(0.1)(x)
        L.RandomTranslation(0.1, 0.1)(x)
        L.RandomContrast(0.1)(x)
        L.RandomBrightness(0.1)(x)
        L.RandomCrop(8, 8)(x)
        L.Resizing(8, 8)(x)
        L.Resizing(20, 16, interpolation='nearest')(x)
        L.Resizing(7, 9, interpolation='bicubic')(x)
        L.Resizing(8, 6, crop_to_aspect_ratio=True)(x)
        3: L.Resizing(8, 6, pad_to_aspect_ratio=True)(x)
        3: L.Resizing(8, 8, antialias=True)(x)
        L.Resizing(6, 6, interpolation='area')(x)
        L.CenterCrop(8, 8)(x)
        L.CenterCrop(7, 9)(x)
        L.CenterCrop(16, 16)(x)
        3: L.RandomErasing(0.1)(x)
        3: L.RandomGrayscale()(x)
        3: L.RandomColorJitter()(x)
        3: L.AutoContrast()(x)
        3: L.Equalization()(x)
        3: L.Solarization(0.1)(x)
        3: L.RandAugment()(x)
        3: L.Pipeline([L.RandomFlip(), L.Resizing(8, 8)])(x)
        3: L.RandomFlip()(x, training=True)
        L.GaussianNoise(0.3)(x)
        L.UpSampling2D(2, interpolation='bilinear')(x)
        3: L.UpSampling2D(2, interpolation='lanczos3')(x)
        3: O.image.resize(x, (8, 8))
        3: O.image.rgb_to_grayscale(x)
        """, options=(("span", (0.0, 255.0)),)),
    Table("07", "clips", """
        L.Resizing(4, 4)(x[:, 0])
        3: L.RandomFlip()(x)
        """),
    Pixels(),
    Table("21", "rgb", """
        L.MaxPooling2D(3, strides=2)(L.ZeroPadding2D(1)(L.Conv2D(4, 3)(x) - 3.0))
        L.MaxPooling2D(2)(L.ZeroPadding2D(((1, 0), (0, 1)))(x - 3.0))
        L.AveragePooling2D(3, strides=2)(L.ZeroPadding2D(1)(x - 3.0))
        L.AveragePooling2D(3, strides=1, padding='same')(x - 3.0)
        L.MaxPooling2D(3, strides=1, padding='same')(x - 3.0)
        L.MaxPooling2D(3, padding='same')(L.ZeroPadding2D(2)(x - 3.0))
        L.Conv2D(4, 3, padding='same')(L.ZeroPadding2D(1)(x))
        L.DepthwiseConv2D(3, strides=2, padding='same')(L.ZeroPadding2D(((0, 1), (0, 1)))(x))
        L.MaxPooling2D(2)(L.Cropping2D(1)(L.ZeroPadding2D(2)(x - 3.0)))
        L.GlobalMaxPooling2D()(L.ZeroPadding2D(1)(x - 3.0))
        L.GlobalAveragePooling2D()(L.ZeroPadding2D(1)(x))
        L.MaxPooling2D(2)(L.UpSampling2D(2)(L.ZeroPadding2D(1)(x - 3.0)))
        L.MaxPooling2D(3, strides=2)(L.Concatenate()([L.ZeroPadding2D(1)(x - 3.0), L.ZeroPadding2D(1)(x)]))
        3: L.MaxPooling2D(3)(O.pad(x - 3.0, [[0, 0], [1, 1], [1, 1], [0, 0]]))
        3: L.MaxPooling2D(3)(O.pad(x - 3.0, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=2.0))
        3: L.MaxPooling2D(3)(O.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode='reflect'))
        L.Conv2DTranspose(4, 3, strides=2)(L.ZeroPadding2D(1)(x))
        """),
    Table("21", "steps", """
        L.MaxPooling1D(3, strides=2)(L.ZeroPadding1D(1)(x - 3.0))
        L.AveragePooling1D(3, padding='same')(L.ZeroPadding1D((0, 2))(x - 3.0))
        L.Conv1D(4, 3, padding='causal', dilation_rate=2)(L.ZeroPadding1D(1)(x))
        """),
    Table("21", "volume", """
        L.MaxPooling3D(3, strides=2)(L.ZeroPadding3D(1)(x - 3.0))
        L.AveragePooling3D(2)(L.ZeroPadding3D(1)(x - 3.0))
        """),
)  # fmt: skip
