"""Make the files of edgecompress/tfmot/stand_ins/testdata: tiny networks of Larq, each with images and its own outputs.

    TF_USE_LEGACY_KERAS=1 PYTHON scripts/larq_testdata.py

PYTHON has larq 0.14, tf_keras and numpy < 2, which edgecompress itself has not. The networks are not trained: their
latent weights are drawn, some beyond [-1, 1] and some 0, and so are the statistics of their batch norms.
"""

from __future__ import annotations

from pathlib import Path

import larq
import numpy as np
import tensorflow

FOLDER = Path(__file__).parents[1] / "edgecompress" / "tfmot" / "stand_ins" / "testdata"
IMAGES = 4
keras = tensorflow.keras
layers = keras.layers
CLIPPED = {"kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip", "use_bias": False}
BINARY = {"input_quantizer": "ste_sign", **CLIPPED}


def tutorial() -> keras.Model:
    """Return a network like the one of Larq's first tutorial: real inputs, then signs, with batch norm between."""
    return keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            larq.layers.QuantConv2D(32, 3, **CLIPPED),
            layers.MaxPooling2D(2),
            layers.BatchNormalization(scale=False),
            larq.layers.QuantConv2D(16, 3, **BINARY),
            layers.BatchNormalization(scale=False),
            layers.Flatten(),
            larq.layers.QuantDense(16, **BINARY),
            layers.BatchNormalization(scale=False),
            larq.layers.QuantDense(10, **BINARY),
            layers.BatchNormalization(scale=False),
            layers.Activation("softmax"),
        ],
        name="tutorial",
    )


def quicknet() -> keras.Model:
    """Return two residual blocks of QuickNet behind a stem of its kind, and a transition between them."""

    def block(x: tensorflow.Tensor) -> tensorflow.Tensor:
        y = larq.layers.QuantConv2D(
            x.shape[-1], 3, padding="same", pad_values=1.0, activation="relu", kernel_initializer="glorot_normal",
            **BINARY,
        )(x)  # fmt: skip
        return layers.add([layers.BatchNormalization(momentum=0.9)(y), x])

    image = keras.Input((12, 12, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(image)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(layers.Conv2D(16, 1, use_bias=False)(x))
    x = block(layers.BatchNormalization()(x))
    x = layers.MaxPooling2D(2, strides=1)(layers.Activation("relu")(x))
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False)(x)
    x = block(layers.BatchNormalization()(layers.Conv2D(16, 1, use_bias=False)(x)))
    x = layers.GlobalAveragePooling2D()(layers.Activation("relu")(x))
    return keras.Model(image, layers.Dense(10)(x), name="quicknet")


def bireal() -> keras.Model:
    """Return blocks of Bi-Real Net, with magnitude-aware kernels and zeros around, in a nested model."""
    options = {
        "input_quantizer": "approx_sign",
        "kernel_quantizer": "magnitude_aware_sign",
        "kernel_constraint": larq.constraints.WeightClip(1.25),
        "use_bias": False,
    }
    features = keras.Input((10, 10, 16))
    y = larq.layers.QuantConv2D(16, 3, padding="same", **options)(features)
    y = layers.add([layers.BatchNormalization()(y), features])
    z = larq.layers.QuantConv2D(32, 3, strides=2, padding="same", **options)(y)
    shortcut = layers.Conv2D(32, 1, use_bias=False)(layers.AveragePooling2D(2)(y))
    blocks = keras.Model(features, layers.BatchNormalization()(z) + shortcut, name="blocks")
    image = keras.Input((10, 10, 3))
    x = blocks(layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same")(image)))
    return keras.Model(image, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)), name="bireal")


def mixture() -> keras.Model:
    """Return every other layer and combination of quantizers that is translated."""
    flips = larq.quantizers.SteSign(clip_value=None, metrics=["flip_ratio"])
    image = keras.Input((9, 8, 4))
    x = larq.layers.QuantDepthwiseConv2D(
        3, depth_multiplier=2, input_quantizer="ste_sign", depthwise_quantizer="magnitude_aware_sign", padding="same"
    )(image)
    x = larq.layers.QuantSeparableConv2D(
        8, 3, strides=2, padding="same", activation="relu", input_quantizer=larq.quantizers.SwishSign(beta=2.0),
        depthwise_quantizer="ste_sign", pointwise_quantizer=flips,
    )(x)  # fmt: skip
    x = layers.BatchNormalization(beta_constraint="weight_clip")(x)
    x = layers.Activation(larq.quantizers.ApproxSign())(x)
    x = larq.layers.QuantConv2D(8, 3, padding="same", pad_values=1.0, kernel_quantizer="approx_sign")(x)
    x = larq.layers.QuantDepthwiseConv2D(3, depthwise_quantizer="swish_sign")(x)
    x = larq.quantizers.SteSign()(x)
    x = larq.layers.QuantConv2D(8, 2, input_quantizer="swish_sign", kernel_constraint="weight_clip")(x)
    x = larq.layers.QuantDense(6, input_quantizer="approx_sign", kernel_quantizer="magnitude_aware_sign")(x)
    x = larq.layers.QuantDense(5, kernel_quantizer="magnitude_aware_sign")(layers.Flatten()(x))
    return keras.Model(image, larq.layers.QuantDense(3, input_quantizer="ste_sign")(x), name="mixture")


def draw(model: keras.Model, generator: np.random.Generator) -> None:
    """Draw every weight: multiples of 1/8 for kernels of signs, so that real inputs of that kind sum exactly."""
    for variable in model.variables:
        kind = variable.name.rpartition("/")[2].partition(":")[0]
        if kind in ("moving_variance", "gamma"):
            values = generator.uniform(0.5, 2.0, variable.shape)
        elif kind in ("bias", "beta", "moving_mean"):
            values = generator.normal(0.0, 0.5, variable.shape)
        else:
            values = np.round(generator.normal(0.0, 0.6, variable.shape) * 8) / 8
        variable.assign(values.astype(np.float32))


def main() -> None:
    """Write each network as `.h5` and as `.keras`, with its images and outputs as `.npz`."""
    FOLDER.mkdir(exist_ok=True)
    for index, make in enumerate((tutorial, quicknet, bireal, mixture)):
        keras.backend.clear_session()  # names count from the start
        model, generator = make(), np.random.default_rng(index)
        draw(model, generator)
        images = (np.round(generator.normal(size=(IMAGES, *model.input_shape[1:])) * 8) / 8).astype(np.float32)
        path = FOLDER / f"larq_{model.name}"
        model.save(f"{path}.h5", include_optimizer=False)
        model.save(f"{path}.keras")
        np.savez_compressed(f"{path}.npz", images=images, outputs=model.predict(images, verbose=0))


if __name__ == "__main__":
    main()
