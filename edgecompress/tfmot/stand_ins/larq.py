"""Models that were trained with Larq, opened without Larq: its layers become those of `edgecompress.layers`.

Keras 2 rebuilds the file with stand-ins that have the names and variables of Larq's layers, and compute what they do at
inference; the translation of each is compared with that. What a quantizer computes forward is kept: all of Larq's signs
have +1 at 0. How it is trained is kept where there is an equal; SwishSign and a `clip_value` other than 1 fall back to
the straight-through estimator. Constraints are dropped. This module loads TensorFlow.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecompress.environment import load_tf_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.formats.keras.allowed.names import LARQ_CLASSES, LARQ_QUANTIZERS
from edgecompress.keras_types import Layer, Tensor
from edgecompress.tfmot.stand_ins.parts import Part, binary_layer, options_of, plain_layer, sign_layer
from edgecompress.tfmot.stand_ins.signed import finished, products, scaled_sign, sign
from edgecompress.tfmot.to_keras3.training import REGULARIZER

keras: Any = load_tf_keras()

GRADIENTS = {
    **dict.fromkeys(("SteSign", "ste_sign", "SwishSign", "swish_sign"), "ste"),
    **dict.fromkeys(("ApproxSign", "approx_sign"), "approximate"),
}
SCALED = ("MagnitudeAwareSign", "magnitude_aware_sign")
SHOWN_CHARACTERS = 60  # of what a file says, in a message


class _StandIn:
    """A layer of Larq as its file describes it."""

    def __init__(self, **config: Any) -> None:
        quantizers = {key: _name(config.get(key)) for key in LARQ_QUANTIZERS}
        pad_values = config.pop("pad_values", 0)
        for key in [key for key in config if key in LARQ_QUANTIZERS or key.endswith("_constraint")]:
            del config[key]
        super().__init__(**config)
        for key, name in quantizers.items():
            setattr(self, key, name)
        self.pad_values = pad_values if getattr(self, "padding", "") == "same" else 0

    def call(self, inputs: Tensor) -> Tensor:
        """Compute what Larq's layer does at inference."""
        layer: Layer = self
        inputs = sign(inputs) if layer.input_quantizer else inputs
        pad_value = layer.pad_values if layer.pad_values in (0, 1) else 0
        return finished(layer, products(layer, inputs, self._kernel("kernel"), pad_value=pad_value))

    def _kernel(self, name: str) -> Tensor:
        """Return the kernel as its quantizer gives it, scaled over all axes but the last."""
        kernel = getattr(self, "depthwise_kernel" if name == "depthwise" else f"{name}_kernel".replace("kernel_", ""))
        quantizer = getattr(self, f"{name}_quantizer")
        if quantizer is None:
            return kernel
        return scaled_sign(kernel, tuple(range(len(kernel.shape) - 1))) if quantizer in SCALED else sign(kernel)


class QuantDense(_StandIn, keras.layers.Dense):
    """Larq's QuantDense."""

    def parts(self, name: str) -> list[Part]:
        """Return the translation, to be called one after the other."""
        return _with_inputs(self, "Dense", options_of(self, name))


class QuantConv2D(_StandIn, keras.layers.Conv2D):
    """Larq's QuantConv2D."""

    def parts(self, name: str) -> list[Part]:
        """Return the translation, to be called one after the other."""
        options = options_of(self, name)
        if self.kernel_quantizer:
            options["pad_values"] = _bit(self)
        else:
            _require_zero_padding(self)
        return _with_inputs(self, "Conv2D", options)


class QuantDepthwiseConv2D(_StandIn, keras.layers.DepthwiseConv2D):
    """Larq's QuantDepthwiseConv2D."""

    def call(self, inputs: Tensor) -> Tensor:
        """Compute what Larq's layer does at inference."""
        inputs = sign(inputs) if self.input_quantizer else inputs
        return finished(self, products(self, inputs, self._kernel("depthwise")))

    def parts(self, name: str) -> list[Part]:
        """Return the translation, to be called one after the other."""
        _require_zero_padding(self)
        kernel, *bias = self.get_weights()
        depthwise = _layer(self, "DepthwiseConv2D", self.depthwise_quantizer, options_of(self, name))
        return [*_signs(self, name), (depthwise, [_latent(kernel, self.depthwise_quantizer), *bias])]


class QuantSeparableConv2D(_StandIn, keras.layers.SeparableConv2D):
    """Larq's QuantSeparableConv2D."""

    def call(self, inputs: Tensor) -> Tensor:
        """Compute what Larq's layer does at inference."""
        inputs = sign(inputs) if self.input_quantizer else inputs
        window = {"strides": self.strides, "padding": self.padding, "dilation_rate": self.dilation_rate}
        depthwise = keras.backend.depthwise_conv2d(inputs, self._kernel("depthwise"), **window)
        return finished(self, keras.backend.conv2d(depthwise, self._kernel("pointwise")))

    def parts(self, name: str) -> list[Part]:
        """Return the translation, to be called one after the other."""
        _require_zero_padding(self)
        kernel, *rest = self.get_weights()
        options = {key: value for key, value in options_of(self, name).items() if not key.endswith(REGULARIZER)}
        pointed = ("filters", "use_bias", "activation", "trainable", "data_format")
        last = {key: options[key] for key in pointed} | {"kernel_size": 1, "name": name}
        first = {key: value for key, value in options.items() if key not in ("filters", "activation")}
        first |= {"use_bias": False, "name": f"{name}_depthwise"}
        if self.pointwise_quantizer:
            last["binary_inputs"] = False
        depthwise = _layer(self, "DepthwiseConv2D", self.depthwise_quantizer, first)
        pointwise = _layer(self, "Conv2D", self.pointwise_quantizer, last)
        latent = _latent(kernel, self.depthwise_quantizer)
        return [*_signs(self, name), (depthwise, [latent]), (pointwise, rest)]


class Sign(keras.layers.Layer):
    """What a sign is in the place of an activation function."""

    def call(self, inputs: Tensor) -> Tensor:
        """Return the signs."""
        return sign(inputs)

    def parts(self, name: str) -> list[Part]:
        """Return the translation."""
        return [(sign_layer(name), [])]


STAND_INS = {layer.__name__: layer for layer in (QuantDense, QuantConv2D, QuantDepthwiseConv2D, QuantSeparableConv2D)}


def stand_ins() -> dict[str, type]:
    """Return what Keras 2 needs to rebuild a file of Larq, by every name that such files have for it."""
    classes = {name: STAND_INS.get(name) or _without_layer(name) for name in LARQ_CLASSES}
    return {**classes, **{f"Larq>{name}": kind for name, kind in classes.items()}}


def parts(layer: Layer, name: str) -> list[Part]:
    """Return what stands for a stand-in in Keras 3.

    Raises:
        UnsupportedModelError: a quantizer or an option of Larq has no equal here; it is named.
    """
    if isinstance(layer, _StandIn):
        _require_known_quantizers(layer)
    return layer.parts(name)


def _with_inputs(original: Layer, kind: str, options: dict[str, Any]) -> list[Part]:
    """Return a layer that takes signs by itself where its kernel is binary, else after a Sign."""
    if original.kernel_quantizer is None:
        return [*_signs(original, options["name"]), (plain_layer(kind, options), original.get_weights())]
    inputs = original.input_quantizer
    gradient = {"input_gradient": GRADIENTS[inputs]} if inputs else {}
    options = {**options, "binary_inputs": bool(inputs), **gradient}
    return [(_layer(original, kind, original.kernel_quantizer, options), original.get_weights())]


def _signs(original: Layer, name: str) -> list[Part]:
    return [(sign_layer(f"{name}_sign"), [])] if original.input_quantizer else []


def _layer(original: Layer, kind: str, quantizer: str | None, options: dict[str, Any]) -> Any:
    if quantizer is None:
        return plain_layer(kind, options)
    if options.get("data_format", "channels_last") != "channels_last":
        raise _refusal(original.name, type(original).__name__, "has its channels first")
    return binary_layer(kind, {**options, "scaled": quantizer in SCALED})


def _latent(kernel: np.ndarray, quantizer: str | None) -> np.ndarray:
    """Return latent weights whose scale, the mean over the window, is Larq's: that over window and channels."""
    if quantizer not in SCALED:
        return kernel
    scale = np.abs(kernel).mean((0, 1, 2), dtype=np.float64).astype(np.float32)
    return np.where(kernel >= 0, scale, -scale)


def _name(stored: Any) -> str | None:
    """Return the name of a quantizer, or of the type of what is stored in its place."""
    found = stored.get("class_name") if isinstance(stored, dict) else stored
    if stored is None or isinstance(found, str):
        return found and found.removeprefix("Larq>")
    return type(found).__name__


def _require_known_quantizers(layer: Layer) -> None:
    for key in LARQ_QUANTIZERS:
        name, known = getattr(layer, key), (*GRADIENTS, *(() if key == "input_quantizer" else SCALED))
        if name is not None and name not in known:
            raise UnsupportedModelError(
                f"Layer '{layer.name}' ({type(layer).__name__}) of the Larq model has the {key} "
                f"{name[:SHOWN_CHARACTERS]!r}, which has no equal here.",
                hint=f"Known: {', '.join(each for each in known if each[0].islower())}.",
            )


def _bit(original: Layer) -> int:
    if original.pad_values not in (0, 1):
        shown = f"{original.pad_values!r:.{SHOWN_CHARACTERS}}"
        raise _refusal(original.name, type(original).__name__, f"pads by {shown}, and not by 0 or 1")
    return int(original.pad_values)


def _require_zero_padding(original: Layer) -> None:
    if original.pad_values != 0:
        raise _refusal(original.name, type(original).__name__, "has other pad_values than 0, and no binary Conv2D")


def _without_layer(name: str) -> type:
    """Return a class that becomes what Larq's class `name` is where it is not a layer that has weights."""

    def from_config(cls: type, config: dict[str, Any]) -> Any:
        if name in GRADIENTS:
            return Sign(name=config.get("name"))
        if name in ("WeightClip", "weight_clip"):
            return None
        raise _refusal(str(config.get("name"))[:SHOWN_CHARACTERS], name, "has no equal here")

    return type(name, (), {"from_config": classmethod(from_config)})


def _refusal(layer: str, kind: str, why: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"Layer {layer!r} ({kind}) of the Larq model cannot be translated: it {why}.",
        hint=f"Translated are {', '.join(STAND_INS)} with signs of inputs and kernels.",
    )
