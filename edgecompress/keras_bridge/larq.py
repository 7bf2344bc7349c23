"""Models that were trained with Larq, opened without Larq: its layers become those of `edgecompress.layers`.

Keras rebuilds the file with stand-ins that have the names and variables of Larq's layers, but compute nothing of their
own. Then the model is built again with the translation of each. What a quantizer computes forward is kept: all of
Larq's signs have +1 at 0. How it is trained is kept where there is an equal; SwishSign and a `clip_value` other than 1
fall back to the straight-through estimator. Constraints are dropped, and of separable layers regularizers as well. This
module loads TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgecompress.environment import load_tf_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.formats.keras_known import LARQ_CLASSES, LARQ_QUANTIZERS
from edgecompress.keras_bridge.graph import replay, walk_layers
from edgecompress.layers.convolution import BinaryConv2D
from edgecompress.layers.dense import BinaryDense
from edgecompress.layers.depthwise import BinaryDepthwiseConv2D
from edgecompress.layers.sign import Sign

keras: Any = load_tf_keras()

GRADIENTS = {
    **dict.fromkeys(("SteSign", "ste_sign", "SwishSign", "swish_sign"), "ste"),
    **dict.fromkeys(("ApproxSign", "approx_sign"), "approximate"),
}
SCALED = ("MagnitudeAwareSign", "magnitude_aware_sign")
BINARY = {
    keras.layers.Conv2D: BinaryConv2D,
    keras.layers.Dense: BinaryDense,
    keras.layers.DepthwiseConv2D: BinaryDepthwiseConv2D,
}
SHOWN_CHARACTERS = 60  # of what a file says, in a message

Layer = Any
Part = tuple[Layer, list[np.ndarray]]  # a layer and its weights


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


class QuantDense(_StandIn, keras.layers.Dense):
    """Larq's QuantDense."""

    def parts(self, config: dict[str, Any]) -> list[Part]:
        """Return the translation, to be called one after the other."""
        return _with_inputs(self, keras.layers.Dense, self.kernel_quantizer, config)


class QuantConv2D(_StandIn, keras.layers.Conv2D):
    """Larq's QuantConv2D."""

    def parts(self, config: dict[str, Any]) -> list[Part]:
        """Return the translation, to be called one after the other."""
        if self.kernel_quantizer:
            config["pad_values"] = _bit(self)
        else:
            _require_zero_padding(self)
        return _with_inputs(self, keras.layers.Conv2D, self.kernel_quantizer, config)


class QuantDepthwiseConv2D(_StandIn, keras.layers.DepthwiseConv2D):
    """Larq's QuantDepthwiseConv2D."""

    def parts(self, config: dict[str, Any]) -> list[Part]:
        """Return the translation, to be called one after the other."""
        _require_zero_padding(self)
        kernel, *bias = self.get_weights()
        depthwise = _layer(keras.layers.DepthwiseConv2D, self.depthwise_quantizer, config)
        return [*_signs(self, config), (depthwise, [_latent(kernel, self.depthwise_quantizer), *bias])]


class QuantSeparableConv2D(_StandIn, keras.layers.SeparableConv2D):
    """Larq's QuantSeparableConv2D."""

    def parts(self, config: dict[str, Any]) -> list[Part]:
        """Return the translation, to be called one after the other."""
        _require_zero_padding(self)
        kernel, *rest = self.get_weights()
        common = {key: config[key] for key in ("data_format", "dtype", "trainable")}
        windows = {key: config[key] for key in ("kernel_size", "strides", "padding", "dilation_rate")}
        first = {**common, **windows, "depth_multiplier": config["depth_multiplier"], "use_bias": False}
        last = {**common, **{key: config[key] for key in ("filters", "use_bias", "activation", "name")}}
        depthwise = _layer(
            keras.layers.DepthwiseConv2D, self.depthwise_quantizer, {**first, "name": f"{config['name']}_depthwise"}
        )
        if self.pointwise_quantizer:
            last["binary_inputs"] = False
        pointwise = _layer(keras.layers.Conv2D, self.pointwise_quantizer, {**last, "kernel_size": (1, 1)})
        return [
            *_signs(self, config),
            (depthwise, [_latent(kernel, self.depthwise_quantizer)]),
            (pointwise, rest),
        ]


STAND_INS = {layer.__name__: layer for layer in (QuantDense, QuantConv2D, QuantDepthwiseConv2D, QuantSeparableConv2D)}


def stand_ins() -> dict[str, type]:
    """Return what Keras needs to rebuild a file of Larq, by every name that such files have for it."""
    classes = {name: STAND_INS.get(name) or _without_layer(name) for name in LARQ_CLASSES}
    return {**classes, **{f"Larq>{name}": kind for name, kind in classes.items()}}


def translate(model: Any) -> Any:
    """Return `model` itself if it has no stand-ins, else the functional model with their translations.

    Nested models are flattened, as by `copy_model`.

    Raises:
        UnsupportedModelError: a layer or a quantizer of Larq has no equal here; both are named.
    """
    if not any(_is_larqs(layer) for layer in walk_layers(model)):
        return model
    chains: dict[int, list[Part]] = {}
    taken = {layer.name for layer in model.layers if not isinstance(layer, keras.Model)}

    def substitute(layer: Layer, prefix: str) -> Callable[..., Any]:
        if id(layer) not in chains:
            config = layer.get_config()
            if prefix and layer.name in taken:
                config["name"] = f"{prefix}_{layer.name}"
            taken.add(config["name"])
            chains[id(layer)] = _translated(layer, config)
        return lambda *args, **kwargs: _call(chains[id(layer)], args, kwargs)

    translated = replay(model, substitute)
    for layer, weights in (part for chain in chains.values() for part in chain):
        layer.set_weights(weights)
    return translated


def _is_larqs(layer: Layer) -> bool:
    return isinstance(layer, _StandIn) or _holds_larqs(layer)


def _holds_larqs(layer: Layer) -> bool:
    return any(isinstance(each, _StandIn | Sign) for each in layer._flatten_layers(include_self=False))


def _translated(layer: Layer, config: dict[str, Any]) -> list[Part]:
    if type(layer) is keras.layers.Activation and isinstance(layer.activation, Sign):
        return [(Sign(name=config["name"]), [])]
    if _holds_larqs(layer):
        raise _refusal(layer.name, type(layer).__name__, "has a layer or a quantizer of Larq inside")
    if isinstance(layer, _StandIn):
        _require_known_quantizers(layer)
        return layer.parts(config)  # type: ignore[attr-defined]
    return [(type(layer).from_config(config), layer.get_weights())]


def _call(chain: list[Part], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    (first, _), *others = chain
    outputs = first(*args, **kwargs)
    for layer, _ in others:
        outputs = layer(outputs)
    return outputs


def _with_inputs(original: Any, kind: Any, quantizer: str | None, config: dict[str, Any]) -> list[Part]:
    """Return a layer that takes signs by itself where its kernel is binary, else after a Sign."""
    if quantizer is None:
        return [*_signs(original, config), (_layer(kind, None, config), original.get_weights())]
    inputs = original.input_quantizer
    gradient = {"input_gradient": GRADIENTS[inputs]} if inputs else {}
    layer = _layer(kind, quantizer, {**config, "binary_inputs": bool(inputs), **gradient})
    return [(layer, original.get_weights())]


def _signs(original: Any, config: dict[str, Any]) -> list[Part]:
    return [(Sign(name=f"{config['name']}_sign", dtype=config["dtype"]), [])] if original.input_quantizer else []


def _layer(kind: Any, quantizer: str | None, config: dict[str, Any]) -> Layer:
    if quantizer is None:
        return kind.from_config(config)
    if config.get("data_format", "channels_last") != "channels_last":
        raise _refusal(config["name"], f"Quant{kind.__name__}", "has its channels first")
    options = {key: value for key, value in config.items() if not key.endswith("_constraint")}
    return BINARY[kind].from_config({**options, "scaled": quantizer in SCALED})


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


def _require_known_quantizers(layer: Any) -> None:
    for key in LARQ_QUANTIZERS:
        name, known = getattr(layer, key), (*GRADIENTS, *(() if key == "input_quantizer" else SCALED))
        if name is not None and name not in known:
            raise UnsupportedModelError(
                f"Layer '{layer.name}' ({type(layer).__name__}) of the Larq model has the {key} "
                f"{name[:SHOWN_CHARACTERS]!r}, which has no equal here.",
                hint=f"Known: {', '.join(each for each in known if each[0].islower())}.",
            )


def _bit(original: Any) -> int:
    if original.pad_values not in (0, 1):
        shown = f"{original.pad_values!r:.{SHOWN_CHARACTERS}}"
        raise _refusal(original.name, type(original).__name__, f"pads by {shown}, and not by 0 or 1")
    return int(original.pad_values)


def _require_zero_padding(original: Any) -> None:
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
