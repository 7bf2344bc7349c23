"""A variation as plain data: a layer as it is written in Python, where it stands, and which Keras makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.layers import custom_objects

INPUTS: dict[str, tuple[tuple[int, ...], str]] = {
    "image": ((12, 12, 6), "float32"),
    "rgb": ((12, 12, 3), "float32"),
    "steps": ((6, 4), "float32"),
    "vector": ((12,), "float32"),
    "volume": ((6, 6, 6, 4), "float32"),
    "clips": ((3, 8, 8, 3), "float32"),
    "lines": ((4, 8, 3), "float32"),
    "ids": ((10,), "int32"),
    "wave": ((600,), "float32"),
}
PLACES = ("alone", "first", "last", "tapped", "twice", "nested", "two inputs", "batch of 4", "input is output")
FLOAT = ("tflite:float32", "tflite:float16", "tflite:dynamic", "onnx:float32")
QUANTIZED = ("tflite:int8", "tflite:int16x8", "onnx:int8")
IO = ("int8", "uint8")


@dataclass(frozen=True)
class Variation:
    """One file that a user converts, and with what options."""

    case: str
    name: str
    build: Callable[[Any], Any]  # of `keras` or `tf_keras`, the model
    keras: str = "3"
    ending: str = "keras"
    targets: tuple[str, ...] = (*FLOAT, *QUANTIZED)
    io: str = "int8"  # of the int8 files that are made beside those with float inputs and outputs
    span: tuple[float, float] = (-1.0, 1.0)  # of the inputs
    input_range: tuple[float, float] | None = None  # as the user gives it
    calibrate: str = "arrays"  # or "images", or ""
    change: Callable[[Path], None] | None = None  # what is done to the file before it is converted
    says: tuple[str, ...] = ()  # what a refusal may name in the place of a layer
    must_be_refused: bool = False
    least_db: float = 0.0  # of float files, where the variation itself cannot be compared closer


@dataclass(frozen=True)
class Table:
    """Layers in Python, a line each: `L` are Keras's layers, `O` Keras 3's operations, `K` is Keras, `x` the input.

    Keras, placements and file formats are taken by turns; a line that begins with "2:" or "3:" is for that Keras.
    """

    case: str
    inputs: str  # a key of INPUTS
    lines: str
    places: tuple[str, ...] = PLACES
    options: tuple[tuple[str, Any], ...] = ()  # further fields of the variations

    def variations(self) -> Iterator[Variation]:
        """Yield a variation a line."""
        lines = [line.strip() for line in self.lines.strip().splitlines() if line.strip()]
        for index, line in enumerate(lines):
            keras, text = (line[0], line[2:].strip()) if line[:2] in ("2:", "3:") else ("32"[index % 2], line)
            place = self.places[index % len(self.places)]
            yield Variation(
                self.case,
                f"{self.inputs}, {place}: {text}",
                Placed(text, self.inputs, place),
                keras=keras,
                ending=("keras", "h5")[index // 2 % 2],
                io=IO[index % 2],
                **dict(self.options),
            )


@dataclass(frozen=True)
class Placed:
    """Builds a network around a layer that is given as text."""

    text: str
    inputs: str
    place: str

    def __call__(self, keras: Any) -> Any:
        """Return the model, with weights that make no layer trivial."""
        keras.utils.set_random_seed(3)
        model = self._model(keras)
        return disturbed(model)

    def _model(self, keras: Any) -> Any:
        shape, dtype = INPUTS[self.inputs]
        batch = 4 if self.place == "batch of 4" else None
        x = keras.Input(shape, batch_size=batch, dtype=dtype, name="given")
        if self.place == "two inputs":
            other = keras.Input(shape, dtype=dtype, name="another")
            ends = [head(keras, f"head_{place}", self.layer(keras, each)) for place, each in enumerate((x, other))]
            return keras.Model([x, other], ends)
        if self.place == "first":
            return keras.Model(x, head(keras, "head", self.layer(keras, x)))
        if self.place == "last":
            return keras.Model(x, self.layer(keras, body(keras, x)))
        if self.place == "tapped":
            made = self.layer(keras, body(keras, x))
            tap = made[0] if isinstance(made, list | tuple) else made
            return keras.Model(x, [head(keras, "head", made), tap])
        if self.place == "input is output":
            return keras.Model(x, [head(keras, "head", self.layer(keras, x)), x])
        if self.place == "nested output":
            inner = keras.Input(shape, dtype=dtype, name="inner_given")
            return keras.Model(x, keras.Model(inner, self.layer(keras, inner), name="nested")(x))
        if self.place in ("nested", "twice"):
            inner = keras.Input(shape, dtype=dtype, name="inner_given")
            nested = keras.Model(inner, self.layer(keras, inner), name="nested")
            if self.place == "nested":
                return keras.Model(x, head(keras, "head", nested(x)))
            return keras.Model(x, [head(keras, "head", nested(x)), head(keras, "tail", nested(body(keras, x)))])
        return keras.Model(x, self.layer(keras, x))

    def layer(self, keras: Any, x: Any) -> Any:
        """Call the layer that the text says on `x`."""
        names = {"L": keras.layers, "O": getattr(keras, "ops", None), "K": keras, "np": np, "x": x, "B": _Binary()}
        return eval(self.text, names)  # the tables of this folder alone


class _Binary:
    """The layers of edgecompress, by their names."""

    def __getattr__(self, name: str) -> Any:
        return custom_objects()[name]


def body(keras: Any, x: Any) -> Any:
    """A layer that keeps the shape; nothing for integers."""
    if "int" in str(x.dtype):
        return x
    if len(x.shape) == 4:
        return keras.layers.Conv2D(x.shape[-1], 3, padding="same", activation="relu", name="body")(x)
    return keras.layers.Dense(x.shape[-1], name="body")(x)


def head(keras: Any, name: str, made: Any) -> Any:
    """Four numbers of a layer's output, or of each of several together."""
    tensors = list(made) if isinstance(made, list | tuple) else [made]
    flat = [keras.layers.Flatten()(each) for each in tensors]
    return keras.layers.Dense(4, name=name)(flat[0] if len(flat) == 1 else keras.layers.Concatenate()(flat))


def disturbed(model: Any) -> Any:
    """Give vectors among the weights, as biases and batch statistics are, values that they have after training."""
    generator = np.random.default_rng(1)
    for weight in model.weights:
        if len(weight.shape) == 1 and "float" in str(weight.dtype):
            weight.assign(weight + generator.uniform(0.1, 0.4, weight.shape).astype("float32"))
    return model
