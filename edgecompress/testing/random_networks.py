"""Random networks of 2 to 12 layers of all kinds, with taps, shared layers, several inputs and several outputs.

A network is drawn as plain data by hypothesis, so that a failing one shrinks and prints, and is then built in Keras 2
or Keras 3. A drawn layer takes one of the tensors that are there; where it cannot, by its rank or size, another one
does. Outputs are computed, but for a rare one that is an input, or an input that was moved only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

ACTIVATIONS = (
    "linear", "relu", "relu6", "sigmoid", "tanh", "elu", "selu", "softplus", "softsign", "swish", "gelu",
    "hard_sigmoid", "exponential", "softmax",
)  # fmt: skip
COMPUTING = ACTIVATIONS[1:]
INPUTS = ((8, 8, 3), (9, 7, 4), (6, 5), (10,), (12, 12, 1))
BEHIND = (0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 5, 99)  # how far before the last tensor a layer reads: mostly it is a chain
MOVING = ("Dropout", "Flatten", "Permute", "Reshape")  # the kinds that compute no numbers at inference
TAPS, INPUT_TAP = 21, 13  # how many values a tap has, and the one that takes a tensor that is not computed
MAX_ELEMENTS = 4096  # of one tensor, so that a network takes a moment


@dataclass(frozen=True)
class Drawn:
    """A layer: its kind, numbers that choose its options, and those that choose the tensors it reads."""

    kind: str
    options: tuple[int, ...]
    reads: tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """The shapes of the inputs, the layers, and numbers that choose which tensors are outputs beside the last."""

    inputs: tuple[tuple[int, ...], ...]
    layers: tuple[Drawn, ...]
    taps: tuple[int, ...]
    seed: int


def networks() -> st.SearchStrategy[Network]:
    """Networks as plain data."""
    small = st.integers(0, 11)
    layer = st.builds(
        Drawn, st.sampled_from(sorted(KINDS)), st.tuples(small, small, small, small), st.tuples(small, small)
    )
    return st.builds(
        Network,
        st.lists(st.sampled_from(INPUTS), min_size=1, max_size=2).map(tuple),
        st.lists(layer, min_size=2, max_size=12).map(tuple),
        st.lists(st.integers(0, TAPS - 1), max_size=2).map(tuple),
        st.integers(0, 2**16),
    )


def build(network: Network, keras: Any) -> Any:
    """Build a drawn network in `keras`, which is `tf_keras` or `keras`, with weights that keep all layers alive."""
    keras.utils.set_random_seed(network.seed)
    builder = _Builder(keras, network)
    inputs = [keras.Input(shape, name=f"input_{place}") for place, shape in enumerate(network.inputs)]
    tensors, moved = list(inputs), len(inputs) * [True]
    for layer in network.layers:
        places = builder.places(layer, len(tensors))
        tensors.append(builder.call(layer, *(tensors[place] for place in places)))
        moved.append(layer.kind in MOVING and moved[places[0]])
    if moved[-1]:
        tensors[-1], moved[-1] = keras.layers.Activation("tanh")(tensors[-1]), False
    outputs = [tensors[-1]]
    for tap in network.taps:
        pool = [tensor for tensor, each in zip(tensors, moved, strict=True) if each == (tap == INPUT_TAP)]
        chosen = pool[tap % len(pool)]
        if all(chosen is not each for each in outputs):
            outputs.append(chosen)
    model = keras.Model(inputs, outputs, name="drawn")
    generator = np.random.default_rng(network.seed)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    generator.choice([-1, 1], gamma.shape) * generator.uniform(0.5, 1.5, gamma.shape),
                    generator.normal(size=beta.shape) / 2,
                    generator.normal(size=mean.shape) / 4,
                    generator.uniform(0.3, 2, variance.shape),
                ]
            )
    return model


def samples(model: Any, count: int, seed: int) -> list[np.ndarray]:
    """Draw `count` inputs in -1..1 for each input of a network."""
    generator = np.random.default_rng(seed)
    return [generator.uniform(-1, 1, (count, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs]


class _Builder:
    def __init__(self, keras: Any, network: Network) -> None:
        self.keras, self.layers, self.network = keras, keras.layers, network
        self.shared: dict[tuple[str, int], Any] = {}

    def places(self, drawn: Drawn, count: int) -> list[int]:
        """Which of so many tensors a layer reads."""
        return [count - 1 - min(BEHIND[read], count - 1) for read in drawn.reads]

    def call(self, drawn: Drawn, first: Any, second: Any) -> Any:
        made = KINDS[drawn.kind](self, first, second, drawn.options)
        if made is None or np.prod(made.shape[1:]) > MAX_ELEMENTS:
            return self.layers.Activation(COMPUTING[drawn.options[0] % 4])(first)
        return made

    def activation(self, option: int) -> str:
        return ACTIVATIONS[option % (len(ACTIVATIONS) - 1)]

    def image(self, tensor: Any) -> Any:
        """The tensor as an image."""
        if len(tensor.shape) == 4:
            return tensor
        size = int(np.prod(tensor.shape[1:]))
        height = next(side for side in (4, 3, 2, 1) if size % side == 0)
        return self.layers.Reshape((height, size // height, 1))(tensor)

    def sequence(self, tensor: Any) -> Any:
        """The tensor as a sequence of vectors."""
        if len(tensor.shape) == 3:
            return tensor
        if len(tensor.shape) == 4:
            return self.layers.Reshape((-1, tensor.shape[-1]))(tensor)
        return self.layers.Reshape((-1, 1))(tensor)

    def vector(self, tensor: Any) -> Any:
        """The tensor flattened."""
        return tensor if len(tensor.shape) == 2 else self.layers.Flatten()(tensor)


Kind = Callable[[_Builder, Any, Any, tuple[int, ...]], Any]


def _conv(b: _Builder, x: Any, y: Any, o: tuple[int, ...]) -> Any:
    x = b.image(x)
    size, padding = 1 + o[0] % 3, ("same", "valid")[o[1] % 2]
    if padding == "valid" and min(x.shape[1:3]) < size * (1 + o[3] % 2):
        padding = "same"
    stride, dilation = ((2, 1), (1, 2), (1, 1))[o[3] % 3]
    return b.layers.Conv2D(
        1 + o[2] % 6, size, strides=stride, dilation_rate=dilation, padding=padding,
        activation=b.activation(o[0] + o[2]), use_bias=o[1] > 3,
    )(x)  # fmt: skip


def _depthwise(b: _Builder, x: Any, y: Any, o: tuple[int, ...]) -> Any:
    return b.layers.DepthwiseConv2D(
        1 + o[0] % 3, strides=1 + o[1] % 2, padding="same", depth_multiplier=1 + o[2] % 2, activation=b.activation(o[3])
    )(b.image(x))


def _shared(b: _Builder, x: Any, y: Any, o: tuple[int, ...]) -> Any:
    """A dense layer on the last axis, called again whenever a tensor of that many channels comes by."""
    key = ("dense", x.shape[-1])
    if key not in b.shared:
        b.shared[key] = b.layers.Dense(x.shape[-1], activation=b.activation(o[0]))
    return b.shared[key](b.shared[key](x))


def _merge(name: str) -> Kind:
    def merge(b: _Builder, x: Any, y: Any, o: tuple[int, ...]) -> Any:
        if tuple(x.shape) != tuple(y.shape):
            y = b.layers.Activation("tanh")(x)
        if name == "Concatenate":
            return b.layers.Concatenate(axis=1 + o[0] % (len(x.shape) - 1))([x, y])
        return getattr(b.layers, name)()([x, y])

    return merge


def _gate(b: _Builder, x: Any, y: Any, o: tuple[int, ...]) -> Any:
    """Squeeze and excite: one number a channel, broadcast over the pixels."""
    x = b.image(x)
    scale = b.layers.GlobalAveragePooling2D(keepdims=True)(x)
    return b.layers.Multiply()([x, b.layers.Conv2D(x.shape[-1], 1, activation="sigmoid")(scale)])


def _pool(name: str) -> Kind:
    def pool(b: _Builder, x: Any, y: Any, o: tuple[int, ...]) -> Any:
        padding = "valid" if o[1] % 2 and min(b.image(x).shape[1:3]) > 3 else "same"
        return getattr(b.layers, name)(1 + o[0] % 3, strides=1 + o[2] % 2, padding=padding)(b.image(x))

    return pool


def _arithmetic(b: _Builder, x: Any, y: Any, o: tuple[int, ...]) -> Any:
    """Constants on either side, as users write them: operators, not layers."""
    constant = (0.5, -1.25, 2.0, -0.1)[o[0] % 4]
    return (lambda: x + constant, lambda: constant - x, lambda: x * constant, lambda: x / constant, lambda: -x)[
        o[1] % 5
    ]()


def _crop(b: _Builder, x: Any, y: Any, o: tuple[int, ...]) -> Any:
    x = b.image(x)
    return b.layers.Cropping2D(((o[0] % 2, 1), (0, o[1] % 2)))(x) if min(x.shape[1:3]) > 3 else None


def _permute(b: _Builder, x: Any, y: Any, o: tuple[int, ...]) -> Any:
    axes = list(np.random.default_rng(o[0]).permutation(len(x.shape) - 1) + 1)
    return b.layers.Permute([int(axis) for axis in axes])(x)


def _norm(b: _Builder, x: Any, y: Any, o: tuple[int, ...]) -> Any:
    return b.layers.BatchNormalization(epsilon=(1e-3, 1e-5)[o[0] % 2], scale=True, center=True)(x)


def _recurrent(name: str) -> Kind:
    def recurrent(b: _Builder, x: Any, y: Any, o: tuple[int, ...]) -> Any:
        x = b.sequence(x)
        if x.shape[1] > 12:
            return None
        return getattr(b.layers, name)(1 + o[0] % 5, return_sequences=bool(o[1] % 2), unroll=bool(o[2] % 2))(x)

    return recurrent


KINDS: dict[str, Kind] = {
    "Conv2D": _conv,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": lambda b, x, y, o: b.layers.SeparableConv2D(
        1 + o[0] % 5, 3, padding="same", strides=1 + o[2] % 2, activation=b.activation(o[1])
    )(b.image(x)),
    "Conv2DTranspose": lambda b, x, y, o: b.layers.Conv2DTranspose(
        1 + o[0] % 4, 2 + o[2] % 2, strides=1 + o[1] % 2, padding=("same", "valid")[o[3] % 2]
    )(b.image(x)),
    "Conv1D": lambda b, x, y, o: b.layers.Conv1D(
        1 + o[0] % 5, 1 + o[1] % 3, padding=("same", "causal")[o[2] % 2], activation=b.activation(o[3])
    )(b.sequence(x)),
    "Dense": lambda b, x, y, o: b.layers.Dense(1 + o[0] % 7, activation=b.activation(o[1]), use_bias=o[2] > 3)(
        x if o[3] % 2 else b.vector(x)
    ),
    "shared": _shared,
    "BatchNormalization": _norm,
    "LayerNormalization": lambda b, x, y, o: b.layers.LayerNormalization()(x) if x.shape[-1] > 1 else None,
    "Activation": lambda b, x, y, o: b.layers.Activation(COMPUTING[o[0] % len(COMPUTING)])(x),
    "ReLU": lambda b, x, y, o: b.layers.ReLU(max_value=(None, 6.0, 1.5)[o[0] % 3])(x),
    "LeakyReLU": lambda b, x, y, o: b.layers.LeakyReLU((0.1, 0.3)[o[0] % 2])(x),
    "PReLU": lambda b, x, y, o: b.layers.PReLU(alpha_initializer="random_normal")(x),
    "Softmax": lambda b, x, y, o: b.layers.Softmax(axis=(-1, 1)[o[0] % 2])(x),
    "MaxPooling2D": _pool("MaxPooling2D"),
    "AveragePooling2D": _pool("AveragePooling2D"),
    "GlobalAveragePooling2D": lambda b, x, y, o: b.layers.GlobalAveragePooling2D(keepdims=bool(o[0] % 2))(b.image(x)),
    "GlobalMaxPooling2D": lambda b, x, y, o: b.layers.GlobalMaxPooling2D()(b.image(x)),
    "ZeroPadding2D": lambda b, x, y, o: b.layers.ZeroPadding2D(((o[0] % 2, o[1] % 3), (1, o[2] % 2)))(b.image(x)),
    "Cropping2D": _crop,
    "UpSampling2D": lambda b, x, y, o: b.layers.UpSampling2D(2, interpolation=("nearest", "bilinear")[o[0] % 2])(
        b.image(x)
    ),
    "Add": _merge("Add"),
    "Subtract": _merge("Subtract"),
    "Multiply": _merge("Multiply"),
    "Average": _merge("Average"),
    "Maximum": _merge("Maximum"),
    "Minimum": _merge("Minimum"),
    "Concatenate": _merge("Concatenate"),
    "gate": _gate,
    "arithmetic": _arithmetic,
    "Flatten": lambda b, x, y, o: b.layers.Flatten()(x),
    "Reshape": lambda b, x, y, o: b.layers.Reshape((-1, x.shape[-1]))(x),
    "Permute": _permute,
    "Dropout": lambda b, x, y, o: b.layers.Dropout(0.3)(x),
    "LSTM": _recurrent("LSTM"),
    "GRU": _recurrent("GRU"),
    "SimpleRNN": _recurrent("SimpleRNN"),
}
