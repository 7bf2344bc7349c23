"""Which layers of Keras 2 are understood, and each of their options: an option that is not listed here is refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecompress.environment import load_keras, load_tf_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_bridge.precision import policy_name
from edgecompress.keras_types import Layer
from edgecompress.tfmot.layer_rules import IN_BOTH, INSIDE, PLAIN_TYPES, RECURRENT, STEPS, WINDOW, Rule, rule
from edgecompress.tfmot.to_keras3.activations import SAME, name_of
from edgecompress.tfmot.to_keras3.training import is_of_training, training_options
from edgecompress.values import LayerNote

COMMON = ("name", "trainable", "dtype", "batch_input_shape")  # treated for every layer

DROPOUT = "dropout recurrent_dropout"
CELL = f"units activation use_bias {DROPOUT}"
CONV_CELL = f"filters {WINDOW} recurrent_activation return_sequences return_state go_backwards {DROPOUT}"
UNGROUPED: dict[str, Any] = {"only": {"groups": 1}}
# `zero_output_for_mask` has no effect without a mask, and masks are refused; `implementation` is one of speed.
STATELESS: dict[str, Any] = {
    "only": {"stateful": False, "time_major": False}, "without_effect": "zero_output_for_mask implementation"
}  # fmt: skip
ONE_CELL: dict[str, Any] = {"without_effect": "implementation"}
SCORES = "use_causal_mask return_attention_scores"

LAYERS: dict[str, Rule] = {
    **IN_BOTH,
    "Dense": rule("units activation use_bias"),
    "EinsumDense": rule("equation output_shape bias_axes activation"),
    # The mask that `mask_zero` makes is refused where a layer reads it.
    "Embedding": rule("input_dim output_dim", without_effect="mask_zero input_length"),
    **{f"Conv{n}DTranspose": rule(f"filters output_padding {WINDOW}", **UNGROUPED) for n in (1, 2, 3)},
    **{f"DepthwiseConv{n}D": rule(f"depth_multiplier {WINDOW}", **UNGROUPED) for n in (1, 2)},
    **{f"SeparableConv{n}D": rule(f"filters depth_multiplier {WINDOW}", **UNGROUPED) for n in (1, 2)},
    "BatchNormalization": rule("axis momentum epsilon center scale"),
    "LayerNormalization": rule("axis epsilon center scale"),
    "Normalization": rule("axis invert mean variance"),
    "ThresholdedReLU": rule(renamed={"theta": "threshold"}),
    "LeakyReLU": rule(renamed={"alpha": "negative_slope"}),
    "ZeroPadding1D": rule("padding"),
    "CenterCrop": rule("height width"),
    "Resizing": rule("height width interpolation crop_to_aspect_ratio"),
    "LSTM": rule(f"{CELL} {STEPS} recurrent_activation unit_forget_bias", calls="initial_state", **STATELESS),
    "GRU": rule(f"{CELL} {STEPS} recurrent_activation reset_after", calls="initial_state", **STATELESS),
    "SimpleRNN": rule(f"{CELL} {STEPS}", calls="initial_state", **STATELESS),
    "LSTMCell": rule(f"{CELL} recurrent_activation unit_forget_bias", **ONE_CELL),
    "GRUCell": rule(f"{CELL} recurrent_activation reset_after", **ONE_CELL),
    "SimpleRNNCell": rule(CELL),
    # The layers and cells inside are made by `_inside`.
    "RNN": rule(
        STEPS,
        only={"stateful": False, "time_major": False},
        without_effect="zero_output_for_mask cell",
        calls="initial_state",
    ),
    "Bidirectional": rule("merge_mode", without_effect="layer backward_layer", calls="initial_state"),
    **{
        f"ConvLSTM{n}D": rule(
            f"{CONV_CELL} unit_forget_bias",
            only={"stateful": False, "time_major": False},
            without_effect="zero_output_for_mask unroll",
            calls="initial_state",
        )
        for n in (1, 2, 3)
    },
    "Attention": rule("use_scale score_mode dropout", calls=SCORES),
    "AdditiveAttention": rule("use_scale dropout", calls=SCORES),
    "MultiHeadAttention": rule(
        "num_heads key_dim value_dim dropout use_bias output_shape attention_axes",
        only={"softmax_robust_masking": False},
        without_effect="query_shape key_shape value_shape",  # it is built for
        calls=f"query key value {SCORES}",
    ),
    "Discretization": rule("bin_boundaries output_mode", only={"sparse": False}, without_effect="num_bins epsilon"),
    # Of training alone, but Keras 3 has them too, and a translated network may be trained.
    "AlphaDropout": rule("rate", without_effect="seed"),
    **{f"SpatialDropout{n}D": rule("rate", without_effect="seed noise_shape") for n in (1, 2, 3)},
}
IN_KERAS_3 = {"ThresholdedReLU": "ReLU"}  # where the class has another name
CHOICES = {"interpolation": ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")}  # of options, in Keras 3
KEPT_IN_KERAS_3 = {**INSIDE, "Bidirectional": {"forward_layer": "forward_layer", "backward_layer": "backward_layer"}}

# Augmentation: nothing at inference. RandomCrop is not here, which then crops the middle or resizes.
NOTHING_AT_INFERENCE = (
    "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness",
    "RandomHeight", "RandomWidth",
)  # fmt: skip
WRITE_IT = "Write what it computes as layers, arithmetic and functions of TensorFlow."
HINTS = {
    "Lambda": WRITE_IT,
    "LocallyConnected1D": "Replace it by a convolution.",
    "LocallyConnected2D": "Replace it by a convolution.",
    "SpectralNormalization": "Save the layer inside it, whose kernel is normalized after training.",
    "Masking": "Feed sequences of one length.",
    **dict.fromkeys(
        ("RandomCrop", "Resizing", "CenterCrop", "StringLookup", "IntegerLookup", "TextVectorization"),
        "Take it out of the model, and do it where the application makes its inputs.",
    ),
}


def require_known(original: Layer) -> Rule:
    """Return what is known of the class of a Keras 2 layer.

    Raises:
        UnsupportedModelError: nothing, or it has only the name of one that is.
    """
    kind = type(original).__name__
    if getattr(load_tf_keras().layers, kind, None) is not type(original):
        raise refusal(original, "it is a class of its own")
    if kind not in LAYERS:
        has = hasattr(load_keras().layers, kind)
        raise refusal(
            original, f"{kind} is not among the layers that are" if has else f"Keras 3 has no equal of {kind}"
        )
    return LAYERS[kind]


def make(original: Layer, name: str, *, activation: str | None, notes: list[LayerNote]) -> Any:
    """Return the layer `name` of Keras 3 that computes what the Keras 2 layer does, with `activation` in it.

    Raises:
        UnsupportedModelError: its class, or one of its options, is not understood.
    """
    kind, known, config = type(original).__name__, require_known(original), original.get_config()
    policy = policy_name(original)
    if policy != "float32" and not policy.startswith(PLAIN_TYPES):
        raise refusal(original, f"its dtype policy is {policy}")
    arguments: dict[str, Any] = {"name": name}
    for key, value in config.items():
        if key in known.same or key in known.renamed:
            if value not in CHOICES.get(key, (value,)):
                raise refusal(original, f"its {key} is {value!r}, which Keras 3 lacks")
            arguments[known.renamed.get(key, key)] = _plain(value)
        elif key in known.only:
            if value != known.only[key]:
                raise refusal(original, f"its {key} is {value!r}, and only {known.only[key]!r} is understood")
        elif not (key in COMMON or key in known.without_effect or is_of_training(key)):
            raise refusal(original, f"its option {key} ({value!r}) is not understood")
    kept, left_out = training_options(original.name, config)
    arguments.update(kept)
    notes += left_out
    if activation is not None:
        arguments["activation"] = activation
    if kind in RECURRENT:
        arguments.update(_inner_activations(original, arguments))
    for key, attribute in INSIDE.get(kind, {}).items():
        arguments[key] = _inside(original, getattr(original, attribute), notes)
    if kind == "BatchNormalization":
        arguments["axis"] = _one_axis(original)
    if kind == "Discretization":  # given or adapted to data
        arguments["bin_boundaries"] = [float(bound) for bound in np.ravel(original.bin_boundaries)]
    if policy != "float32":
        arguments["dtype"] = policy
    layer = getattr(load_keras().layers, IN_KERAS_3.get(kind, kind))(**arguments)
    layer.trainable = original.trainable
    return layer


def give_weights(original: Layer, layer: Layer) -> None:
    """Set the weights of a layer of Keras 3 to those of the Keras 2 layer that it translates.

    Raises:
        UnsupportedModelError: they have other shapes.
    """
    kind = type(original).__name__
    if kind in INSIDE:
        for mine, theirs in zip(INSIDE[kind].values(), KEPT_IN_KERAS_3[kind].values(), strict=True):
            parts = [getattr(each, key) for each, key in ((original, mine), (layer, theirs))]
            pairs = zip(*parts, strict=True) if isinstance(parts[0], list | tuple) else [tuple(parts)]
            for inner, translated in pairs:
                give_weights(inner, translated)
        return
    # An adapted Discretization keeps a summary of the data as well, and computes with its option `bin_boundaries`.
    arrays = [] if kind == "Discretization" else [np.asarray(array) for array in _ordered(original, kind)]
    set_weights(original, layer, arrays)
    if kind == "Normalization":
        layer.finalize_state()


def set_weights(original: Layer, layer: Layer, arrays: list[np.ndarray]) -> None:
    """Set the weights of a layer of Keras 3.

    Raises:
        UnsupportedModelError: they have other shapes.
    """
    if [array.shape for array in arrays] != [tuple(variable.shape) for variable in layer.weights]:
        raise refusal(original, "its weights have other shapes in Keras 3")
    layer.set_weights(arrays)


def refusal(layer: Layer, why: str) -> UnsupportedModelError:
    """Return the refusal of a Keras 2 layer, with what to do about its class."""
    kind = type(layer).__name__
    return UnsupportedModelError(
        f"Layer '{layer.name}' ({kind}) of the Keras 2 model cannot be translated to Keras 3: {why}.",
        hint=HINTS.get(kind, "Replace it by a layer that both have."),
    )


def _ordered(original: Layer, kind: str) -> list[Any]:
    """Return the weights in the order of Keras 3, which is that of Keras 2 where none of them is trained or all are."""
    if kind == "BatchNormalization":
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        return [value.numpy() for name in names if (value := getattr(original, name)) is not None]
    return original.get_weights()


def _inside(wrapper: Layer, inner: Layer, notes: list[LayerNote]) -> Any:
    """Return the layer, or the list of cells, that a wrapper of Keras 3 takes in the place of one of Keras 2."""
    if isinstance(inner, list | tuple):
        return [_inside(wrapper, each, notes) for each in inner]
    name = plain_name(inner.name)
    if type(wrapper).__name__ == "Bidirectional":  # which puts that in front of it
        name = name.removeprefix("forward_")
    function = getattr(inner, "activation", None)
    if function is None or type(inner).__name__ in RECURRENT:
        return make(inner, name, activation=None, notes=notes)
    activation = name_of(function)
    if activation not in SAME:
        raise refusal(wrapper, f"the layer '{inner.name}' inside it has an activation that Keras 3 lacks")
    return make(inner, name, activation=SAME[activation], notes=notes)


def plain_name(name: str) -> str:
    """Return a name as Keras 3 takes it: without slashes."""
    return name.replace("/", "_")


def _inner_activations(original: Layer, arguments: dict[str, Any]) -> dict[str, str]:
    named: dict[str, str] = {}
    for key in ("activation", "recurrent_activation"):
        if key in arguments:
            name = name_of(getattr(original, key))
            if name not in SAME:
                raise refusal(
                    original,
                    f"its {key} is {name or 'of its own'}, which Keras 3 does not have, or means otherwise, in a cell",
                )
            named[key] = SAME[name]
    return named


def _one_axis(original: Layer) -> int:
    axes = [original.axis] if isinstance(original.axis, int) else list(original.axis)
    if len(axes) != 1:
        raise refusal(original, f"it normalizes over several axes ({axes}), and Keras 3 over one")
    return axes[0]


def _plain(value: Any) -> Any:
    """Return an option without the types that Keras 2 and NumPy wrap it in."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return list(map(_plain, value)) if isinstance(value, list) else value
