"""Outputs that are read on (04), inputs that are outputs (05), and several inputs, or none that are pictures (09)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from variations.variation import Table, Variation, disturbed

# Several tensors a line: all of them are outputs.
READ_ON = """
    (lambda a: [L.Conv2D(4, 3)(a), a])(L.Conv2D(8, 3, activation='relu')(x))
    (lambda a: [a, L.Add()([a, L.Conv2D(6, 3, padding='same')(a)])])(L.Conv2D(6, 3, padding='same')(x))
    (lambda a: [a, L.Softmax()(a)])(L.Dense(5)(L.Flatten()(x)))
    (lambda a: [a, L.GlobalAveragePooling2D()(a)])(L.Conv2D(8, 3, activation='relu')(x))
    (lambda a: [a, L.Flatten()(a)])(L.Conv2D(8, 3, activation='relu')(x))
    (lambda a: [L.Reshape((-1, 8))(a), a, L.Permute((2, 1, 3))(a)])(L.Conv2D(8, 3)(x))
    (lambda a: [a, L.Concatenate()([a, a * 3.0])])(L.Conv2D(4, 3)(x))
    (lambda a: [a, L.MaxPooling2D(2)(a), L.AveragePooling2D(2)(a)])(L.Conv2D(4, 3, activation='tanh')(x))
    (lambda a: [a, L.ReLU()(a), L.ReLU(6.0)(a)])(L.Conv2D(4, 3)(x) * 5.0)
    (lambda a: [a, a[:, 1:4], a[..., :2]])(L.Conv2D(4, 3)(x))
    (lambda a: [L.UpSampling2D(2)(a), a, L.ZeroPadding2D(1)(a)])(L.Conv2D(4, 3)(x))
    (lambda a: [a, L.Activation('sigmoid')(a), L.Activation('tanh')(a)])(L.Conv2D(4, 3)(x))
    (lambda a: [a, -a, a + 10.0, 1.0 - a])(L.Conv2D(4, 3)(x))
    (lambda a: [a, L.LeakyReLU(0.1)(a), L.Dense(3)(a)])(L.DepthwiseConv2D(3)(x))
    (lambda a: [a, L.BatchNormalization()(a), L.LayerNormalization()(a)])(L.Conv2D(4, 3)(x))
    (lambda a: [L.Maximum()([a, a * 0.5]), a, L.Multiply()([a, a])])(L.Conv2D(4, 3)(x))
    (lambda a: [a, L.Dropout(0.5)(a)])(L.Conv2D(4, 3)(x))
    3: (lambda a: [a, *O.split(a, 2, axis=-1)])(L.Conv2D(4, 3)(x))
    3: (lambda a: {'zz': a, 'aa': L.ReLU()(a)})(L.Conv2D(4, 3)(x))
"""
# `x` itself among the outputs, or only moved.
INPUTS_OUT = """
    [L.Conv2D(3, 3, padding='same', activation='relu')(x), x]
    [x, L.Conv2D(3, 3)(x)]
    [L.Flatten()(x), L.Conv2D(3, 3)(x), x]
    [L.Reshape((-1,))(x), L.Dense(3)(x)]
    [x, L.MaxPooling2D(2)(x)]
    [L.Activation('linear')(x), L.Conv2D(3, 3)(x)]
    [L.Dropout(0.3)(x), L.Conv2D(3, 3)(x)]
    [L.Permute((3, 1, 2))(x), L.Conv2D(3, 3)(x)]
    [x, x * 2.0, L.Conv2D(3, 3)(x)]
    [L.Concatenate()([x, x]), L.Conv2D(3, 3)(x)]
    [x, L.ReLU()(x)]
    [x, L.Add()([x, L.Conv2D(6, 3, padding='same')(x)])]
    L.Flatten()(x)
    L.Reshape((6, 144))(x)
    L.Dropout(0.3)(x)
"""


@dataclass(frozen=True)
class Structures:
    """Networks of several inputs and outputs that are no chain with something before it and behind it."""

    def variations(self) -> Iterator[Variation]:
        """Yield each in both Keras, by turns in both file formats."""
        for index, (name, (build, says)) in enumerate(STRUCTURES.items()):
            yield Variation(
                "09", name, _seeded(build), keras="32"[index // 2 % 2], ending=("keras", "h5")[index % 2],
                io=("int8", "uint8")[index % 2], says=says,
            )  # fmt: skip


def _seeded(build: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    def made(keras: Any) -> Any:
        keras.utils.set_random_seed(3)
        return disturbed(build(keras, keras.layers))

    return made


def _merged(
    K: Any, L: Any, shapes: dict[str, tuple[int, ...]], ordered: Callable[[dict], Any] = lambda d: list(d.values())
) -> Any:
    inputs = {name: K.Input(shape, name=name) for name, shape in shapes.items()}
    parts = [L.Dense(3, activation="relu")(L.Flatten()(each)) for each in inputs.values()]
    return K.Model(ordered(inputs), L.Dense(2, name="merged")(L.Concatenate()(parts)))


def _several(shapes: dict[str, tuple[int, ...]], **options: Any) -> tuple[Callable[[Any, Any], Any], tuple[str, ...]]:
    return lambda K, L: _merged(K, L, shapes, **options), tuple(shapes)


def _alone(shape: tuple[int, ...], *layers: str) -> tuple[Callable[[Any, Any], Any], tuple[str, ...]]:
    def build(K: Any, L: Any) -> Any:
        return K.Sequential([K.Input(shape, name="given"), *(eval(each, {"L": L}) for each in layers)])

    return build, ("given",)


def _unread(K: Any, L: Any) -> Any:
    a, b = K.Input((6,), name="read"), K.Input((4,), name="unread")
    return K.Model([a, b], L.Dense(3)(a))


def _swapped(K: Any, L: Any) -> Any:
    a, b = K.Input((6,), name="zulu"), K.Input((6,), name="alpha")
    return K.Model([a, b], [L.Subtract(name="zz")([a, b]), L.Dense(2, name="aa")(b)])


def _integers(K: Any, L: Any) -> Any:
    a, b = K.Input((6,), dtype="int32", name="codes"), K.Input((8, 8, 1), name="picture")
    return K.Model([a, b], L.Dense(3)(L.Concatenate()([L.Flatten()(L.Embedding(9, 4)(a)), L.Flatten()(b)])))


def _scales(K: Any, L: Any) -> Any:
    a, b = K.Input((6,), name="small"), K.Input((6,), name="large")
    return K.Model([a, b], [L.Add()([a * 0.01, b * 100.0]), L.Dense(3)(a)])


STRUCTURES = {
    "picture and sensors": _several({"image": (12, 12, 3), "sensors": (4,)}),
    "three inputs": _several({"c": (5,), "a": (4, 2), "b": (3, 3, 2)}),
    "a dict of inputs": _several({"zleft": (6,), "aright": (4,)}, ordered=dict),
    "names with signs": _several({"first-input": (6,), "second.input": (4,)}),
    "accelerometer": _alone((32, 6), "L.Conv1D(8, 3, activation='relu')", "L.GlobalAveragePooling1D()", "L.Dense(3)"),
    "spectrogram": _alone((49, 10, 1), "L.Conv2D(8, 3, activation='relu')", "L.GlobalAveragePooling2D()", "L.Dense(3)"),
    "vector": _alone((7,), "L.Dense(8, activation='relu')", "L.Dense(3)"),
    "volume": _alone((6, 6, 6, 2), "L.Conv3D(4, 3, activation='relu')", "L.GlobalAveragePooling3D()", "L.Dense(3)"),
    "ten channels": _alone((8, 8, 10), "L.SeparableConv2D(4, 3)", "L.Flatten()", "L.Dense(3)"),
    "one number": _alone((1,), "L.Dense(8, activation='tanh')", "L.Dense(1)"),
    "free height": _alone((None, 8, 3), "L.Conv2D(4, 3)", "L.GlobalAveragePooling2D()"),
    "an input that is not read": (_unread, ("unread", "read")),
    "inputs out of order": (_swapped, ("zulu", "alpha")),
    "codes and a picture": (_integers, ("codes", "picture")),
    "inputs of other scales": (_scales, ("small", "large")),
}  # fmt: skip

TABLES = (
    Table("04", "image", READ_ON, places=("alone", "batch of 4", "nested output", "two inputs")),
    Table("05", "image", INPUTS_OUT, places=("alone", "batch of 4")),
    Table("05", "steps", """
        [x, L.Conv1D(3, 3)(x)]
        [x, L.LSTM(3, unroll=True)(x)]
        [L.Flatten()(x), x]
        """, places=("alone",)),
    Structures(),
)  # fmt: skip
