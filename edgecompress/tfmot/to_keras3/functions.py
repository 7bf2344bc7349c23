"""Functions of TensorFlow computed by `keras.ops`: each has the names of the function's own arguments."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any

import numpy as np

from edgecompress.environment import load_keras, load_tensorflow

PLAIN_TYPES = ("float32", "int32", "int64", "uint8", "bool")
RESIZING = ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")
CHANNELS_LAST = (None, "NHWC", "N...C")


class NotUnderstood(Exception):
    """An argument has a value that a function here does not know."""


def is_tensor(value: Any) -> bool:
    """Return whether a value is a tensor of a graph of Keras 3."""
    return isinstance(value, load_keras().KerasTensor)


def ops(name: str) -> Callable[..., Any]:
    """Return a function of `keras.ops`."""
    return getattr(load_keras().ops, name)


def _require(fits: bool, why: str) -> None:
    if not fits:
        raise NotUnderstood(f"{why}, which is not understood")


def norm(tensor: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The square root of a sum of squares."""
    return ops("sqrt")(ops("sum")(ops("square")(tensor), axis=axis, keepdims=keepdims))


def l2_normalized(x: Any, axis: Any = None, epsilon: float = 1e-12) -> Any:
    """Divided by `norm`, which is at least the root of `epsilon`."""
    total = ops("sum")(ops("square")(x), axis=axis, keepdims=True)
    return x * ops("rsqrt")(ops("maximum")(total, epsilon))


def cast(x: Any, dtype: str) -> Any:
    """Of another dtype."""
    name = load_tensorflow().as_dtype(dtype).name
    _require(name in PLAIN_TYPES, f"it casts to {name}")
    return ops("cast")(x, name)


def clipped(t: Any, clip_value_min: Any, clip_value_max: Any) -> Any:
    """Between two numbers."""
    plain = all(isinstance(bound, int | float) for bound in (clip_value_min, clip_value_max))
    _require(plain, "its bounds are no plain numbers")
    return ops("clip")(t, clip_value_min, clip_value_max)


def split(value: Any, num_or_size_splits: Any, axis: int = 0) -> Any:
    """Parts along an axis, of one size or of sizes that are listed."""
    if isinstance(num_or_size_splits, int):
        return ops("split")(value, num_or_size_splits, axis=axis)
    _require(all(size >= 0 for size in num_or_size_splits), "it leaves a size open")
    return ops("split")(value, list(accumulate(num_or_size_splits))[:-1], axis=axis)


def padded(tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: float = 0) -> Any:
    """With a border of a constant, or of what is mirrored at it."""
    plain = isinstance(constant_values, int | float) and mode.upper() in ("CONSTANT", "REFLECT", "SYMMETRIC")
    _require(plain, f"it pads by {constant_values!r} and {mode}")
    options = {"constant_values": constant_values} if mode.upper() == "CONSTANT" and constant_values else {}
    return ops("pad")(tensor, [tuple(pair) for pair in paddings], mode=mode.lower(), **options)


def matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """A product of matrices."""
    swapped = ops("swapaxes")
    return ops("matmul")(swapped(a, -2, -1) if transpose_a else a, swapped(b, -2, -1) if transpose_b else b)


def repeated(input: Any, repeats: Any, axis: Any = None) -> Any:
    """Every element several times."""
    fits = isinstance(axis, int) and isinstance(repeats, int)
    _require(fits, "it does not repeat every element alike along one axis")
    return ops("repeat")(input, repeats, axis=axis)


def flipped(tensor: Any, axis: Any) -> Any:
    """In the reverse order along axes."""
    for each in axis if isinstance(axis, list | tuple) else [axis]:
        tensor = ops("flip")(tensor, axis=each)
    return tensor


def resized(images: Any, size: Any, method: str = "bilinear", antialias: bool = False) -> Any:
    """Images of another size."""
    _require(method in RESIZING, f"its method is {method}")
    return load_keras().ops.image.resize(images, tuple(size), interpolation=method, antialias=antialias)


def _window(sizes: Any) -> tuple[int, int]:
    """Return the sizes along the axes of an image of what TensorFlow takes as one, two or four numbers."""
    listed = list(sizes) if isinstance(sizes, list | tuple) else [sizes]
    _require(len(listed) in (1, 2) or (len(listed) == 4 and listed[0] == listed[3] == 1), f"its window is {listed}")
    height, width = listed * 2 if len(listed) == 1 else listed[-3:-1] if len(listed) == 4 else listed
    return height, width


def bias_added(value: Any, bias: Any, data_format: str | None = None) -> Any:
    """One number a channel added."""
    _require(data_format in CHANNELS_LAST, f"its data_format is {data_format}")
    return ops("add")(value, bias)


def sum_of(inputs: list[Any]) -> Any:
    """The sum of tensors."""
    total = inputs[0]
    for each in inputs[1:]:
        total = ops("add")(total, each)
    return total


def part(input_: Any, begin: Any, size: Any) -> Any:
    """The block that begins at one place and has one size."""
    return input_[tuple(slice(at, None if many == -1 else at + many) for at, many in zip(begin, size, strict=True))]


def item(tensor: Any, slice_spec: Any) -> Any:
    """What Python's brackets take."""
    spec = slice_spec if isinstance(slice_spec, list | tuple) else [slice_spec]
    key = tuple(slice(each["start"], each["stop"], each["step"]) if isinstance(each, dict) else each for each in spec)
    plain = all(isinstance(each, int | slice | None) or each is Ellipsis for each in key)
    _require(plain and not any(isinstance(each, bool) for each in key), "it takes elements by a list or a mask")
    return tensor[key]


def gathered(params: Any, indices: Any, axis: int = 0) -> Any:
    """Elements along an axis, by their numbers."""
    _require(is_tensor(indices) or np.min(indices, initial=0) >= 0, "it takes elements by negative numbers")
    return ops("take")(params, indices, axis=axis)


def flattened(x: Any) -> Any:
    """One axis behind that of the batch."""
    return load_keras().layers.Flatten()(x)


def identity(input: Any) -> Any:
    """The tensor under another name."""
    return load_keras().layers.Identity()(input)


def place(name: str) -> Callable[..., Any]:
    """Where the greatest or the least element along one axis is."""

    def found(input: Any, axis: int = 0, output_type: str = "int64") -> Any:
        return ops("cast")(ops(name)(input, axis=axis), output_type)

    return found


def pooled(name: str) -> Callable[..., Any]:
    """Greatest elements or means of windows of images."""

    def pool(value: Any, ksize: Any, strides: Any, padding: str, data_format: str | None = None) -> Any:
        _require(data_format in CHANNELS_LAST and len(value.shape) == 4, "its inputs are no images with channels last")
        return ops(name)(value, _window(ksize), _window(strides), padding.lower())

    return pool


def blocks(name: str) -> Callable[..., Any]:
    """Channels as blocks of pixels, or these as channels."""

    def rearranged(input: Any, block_size: int, data_format: str | None = None) -> Any:
        _require(data_format in CHANNELS_LAST, f"its data_format is {data_format}")
        return ops(name)(input, block_size)

    return rearranged
