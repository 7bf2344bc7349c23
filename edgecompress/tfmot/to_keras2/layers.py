"""Which layers of Keras 3 are understood, and each of their options: an option that is not listed here is refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from edgecompress.environment import load_keras, load_tf_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_bridge.precision import policy_name
from edgecompress.keras_types import Layer
from edgecompress.tfmot.layer_rules import IN_BOTH, INSIDE, PLAIN_TYPES, RECURRENT, STEPS, WINDOW, Rule, rule
from edgecompress.tfmot.to_keras2.activations import IN_CELLS

TRAINING_ONLY = ("_initializer", "_regularizer", "_constraint")
COMMON = ("name", "trainable", "dtype")  # treated by `make` for every layer


CELL = "units activation use_bias"
CONV_CELL = f"filters {WINDOW} recurrent_activation return_sequences return_state go_backwards"
# `zero_output_for_mask` has none without a mask, and masks are refused. With dropout, Keras 2 takes other operators at
# inference too, and keeps a mask for the first batch size.
DROPOUT = "seed dropout recurrent_dropout"
STATELESS: dict[str, Any] = {"only": {"stateful": False}, "without_effect": f"zero_output_for_mask {DROPOUT}"}
UNQUANTIZED: dict[str, Any] = {"only": {"quantization_config": None, "lora_rank": None}}
CHANNELS_LAST: dict[str, Any] = {"only": {"data_format": "channels_last"}}

LAYERS: dict[str, Rule] = {
    **IN_BOTH,
    "Dense": rule("units activation use_bias", **UNQUANTIZED),
    "EinsumDense": rule("equation output_shape bias_axes activation", **UNQUANTIZED),
    # The mask that `mask_zero` makes is refused where a layer reads it.
    "Embedding": rule("input_dim output_dim", without_effect="mask_zero", **UNQUANTIZED),
    **{f"Conv{n}DTranspose": rule(f"filters output_padding {WINDOW}") for n in (1, 2, 3)},
    **{f"DepthwiseConv{n}D": rule(f"depth_multiplier {WINDOW}") for n in (1, 2)},
    **{f"SeparableConv{n}D": rule(f"filters depth_multiplier {WINDOW}") for n in (1, 2)},
    "BatchNormalization": rule(
        "axis momentum epsilon center scale", without_effect="synchronized renorm renorm_clipping renorm_momentum"
    ),
    "LayerNormalization": rule("axis epsilon center scale", only={"rms_scaling": False}),
    "Normalization": rule("axis invert", without_effect="mean variance"),  # they are set by `_statistics`
    "LeakyReLU": rule(renamed={"negative_slope": "alpha"}),
    "ZeroPadding1D": rule("padding", **CHANNELS_LAST),
    "CenterCrop": rule("height width", **CHANNELS_LAST),
    "Resizing": rule(
        "height width interpolation crop_to_aspect_ratio",
        only={"data_format": "channels_last", "antialias": False, "pad_to_aspect_ratio": False},
        without_effect="fill_mode fill_value",  # of padding alone
    ),
    "LSTM": rule(f"{CELL} {STEPS} recurrent_activation unit_forget_bias", calls="initial_state", **STATELESS),
    "GRU": rule(f"{CELL} {STEPS} recurrent_activation reset_after", calls="initial_state", **STATELESS),
    "SimpleRNN": rule(f"{CELL} {STEPS}", calls="initial_state", **STATELESS),
    "LSTMCell": rule(f"{CELL} recurrent_activation unit_forget_bias", without_effect=DROPOUT),
    "GRUCell": rule(f"{CELL} recurrent_activation reset_after", without_effect=DROPOUT),
    "SimpleRNNCell": rule(CELL, without_effect=DROPOUT),
    # The layers and cells inside are made by `_inside`.
    "RNN": rule(STEPS, without_effect="zero_output_for_mask cell", only={"stateful": False}),
    "Bidirectional": rule("merge_mode", without_effect="layer backward_layer"),
    **{
        f"ConvLSTM{n}D": rule(
            f"{CONV_CELL} unit_forget_bias",
            only={"stateful": False},
            without_effect="seed zero_output_for_mask dropout recurrent_dropout unroll",
        )
        for n in (1, 2, 3)
    },
    "Attention": rule("use_scale score_mode", without_effect="dropout seed", calls="use_causal_mask"),
    "AdditiveAttention": rule("use_scale", without_effect="dropout seed", calls="use_causal_mask"),
    "MultiHeadAttention": rule(
        "num_heads key_dim value_dim dropout use_bias output_shape attention_axes",
        only={"sliding_window": None, "use_gate": False},
        without_effect="seed",
        calls="query key value use_causal_mask",
    ),
    "Discretization": rule("bin_boundaries num_bins epsilon output_mode", only={"sparse": False}),
    # Of training alone, but Keras 2 has them too, and a translated network may be trained.
    "AlphaDropout": rule("rate noise_shape", without_effect="seed"),
    "SpatialDropout1D": rule("rate", without_effect="seed"),
    "SpatialDropout2D": rule("rate data_format", without_effect="seed"),
    "SpatialDropout3D": rule("rate data_format", without_effect="seed"),
}

# Augmentation: nothing at inference. RandomCrop is not here, which then crops the middle or resizes.
NOTHING_AT_INFERENCE = (
    "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness",
    "RandomErasing", "RandomShear", "RandomPerspective", "RandomGaussianBlur", "RandomElasticTransform",
    "RandomInvert", "RandomSharpness", "RandomGrayscale", "RandomHue", "RandomSaturation", "RandomColorDegeneration",
    "RandomColorJitter", "RandomPosterization", "RandAugment", "AugMix", "CutMix", "MixUp", "Solarization",
)  # fmt: skip
HINTS = {
    "SpectralNormalization": "Save the layer inside it, whose kernel is normalized after training.",
    "Masking": "Feed sequences of one length.",
    **dict.fromkeys(
        ("RandomCrop", "Equalization", "AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization", "Resizing"),
        "Take it out of the model, and do it where the application makes its inputs.",
    ),
}


def make(original: Layer, name: str, *, activation: str | None) -> Any:
    """Return the layer `name` of Keras 2 that computes what the Keras 3 layer does, `activation` apart.

    Raises:
        UnsupportedModelError: its class, or one of its options, is not understood.
    """
    kind = type(original).__name__
    known = LAYERS.get(kind)
    if known is None or type(original).__module__.split(".")[0] != "keras":
        raise refusal(original, _unknown(kind) if known is None else "it is a class of its own")
    policy = policy_name(original)
    if getattr(original, "quantization_mode", None):
        raise refusal(original, f"its weights are quantized by Keras ({original.quantization_mode})")
    if policy != "float32" and not policy.startswith(PLAIN_TYPES):
        raise refusal(original, f"its dtype policy is {policy}")
    arguments: dict[str, Any] = {"name": name}
    for key, value in original.get_config().items():
        if key in known.same or key in known.renamed:
            arguments[known.renamed.get(key, key)] = value
        elif key in known.only:
            if value != known.only[key]:
                raise refusal(original, f"its {key} is {value!r}, and only {known.only[key]!r} is understood")
        elif not (key in COMMON or key in known.without_effect or key.endswith(TRAINING_ONLY)):
            raise refusal(original, f"its option {key} ({value!r}) is not understood")
    if activation is not None:
        arguments["activation"] = activation
    if kind in RECURRENT:
        arguments.update(_inner_activations(original, arguments))
    for key, attribute in INSIDE.get(kind, {}).items():
        arguments[key] = _inside(original, getattr(original, attribute))
    if kind == "Normalization":
        arguments.update(_statistics(original))
    if policy != "float32":
        arguments["dtype"] = policy
    layer = getattr(load_tf_keras().layers, kind)(**arguments)
    layer.trainable = original.trainable
    return layer


def name_in_keras2(name: str) -> str:
    """Return a name as TensorFlow's scopes take it, which Keras 2 makes of it: without spaces and other letters."""
    plain = re.sub(r"[^A-Za-z0-9_./-]", "_", name)
    return plain if re.match(r"[A-Za-z0-9.]", plain) else f"layer{plain}"


def weights(original: Layer) -> list[np.ndarray]:
    """Return the weights of a Keras 3 layer in the order of Keras 2."""
    kind = type(original).__name__
    if kind == "BatchNormalization":  # renorm has more, which inference does not read
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        return [np.asarray(value) for name in names if (value := getattr(original, name)) is not None]
    if kind == "Normalization":
        return []  # they are options, see `_statistics`
    if kind in INSIDE:
        parts = [getattr(original, attribute) for attribute in INSIDE[kind].values()]
        parts = [part for each in parts for part in (each if isinstance(each, list) else [each])]
        return [array for part in parts for array in weights(part)]
    return original.get_weights()


def _unknown(kind: str) -> str:
    has = hasattr(load_tf_keras().layers, kind)
    return f"{kind} is not among the layers that are" if has else f"Keras 2 has no equal of {kind}"


def _inside(wrapper: Layer, inner: Layer) -> Any:
    """Return the layer, or the list of cells, that a wrapper of Keras 2 takes in the place of one of Keras 3."""
    if isinstance(inner, list):
        return [_inside(wrapper, each) for each in inner]
    function = getattr(inner, "activation", None)
    if function is None or type(inner).__name__ in RECURRENT:
        return make(inner, name_in_keras2(inner.name), activation=None)
    keras = load_keras()

    name = keras.activations.serialize(function)
    if name not in IN_CELLS:
        raise refusal(wrapper, f"the layer '{inner.name}' inside it has an activation that Keras 2 lacks")
    return make(inner, name_in_keras2(inner.name), activation=IN_CELLS[name])


def refusal(layer: Layer, why: str) -> UnsupportedModelError:
    """Return the refusal of a Keras 3 layer, with what to do about its class."""
    kind = type(layer).__name__
    return UnsupportedModelError(
        f"Layer '{layer.name}' ({kind}) of the Keras 3 model cannot be translated to Keras 2: {why}.",
        hint=HINTS.get(kind, "Replace it by a layer that both have."),
    )


def _inner_activations(original: Layer, arguments: dict[str, Any]) -> dict[str, str]:
    named: dict[str, str] = {}
    for key in ("activation", "recurrent_activation"):
        if key not in arguments:
            continue
        activation = arguments[key]
        if not isinstance(activation, str) or activation not in IN_CELLS:
            shown = activation if isinstance(activation, str) else "an object"
            raise refusal(original, f"its {key} is {shown}, which Keras 2 does not have, or means otherwise, in a cell")
        named[key] = IN_CELLS[activation]
    return named


def _statistics(original: Layer) -> dict[str, Any]:
    """Return mean and variance, given or adapted to data, over the axes that are kept."""
    kept = original._mean_and_var_shape
    return {key: np.asarray(getattr(original, key)).reshape(kept) for key in ("mean", "variance")}
