"""What int8 files do to activations, as layers of a network in training: they round to the codes of a range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.keras_types import Tensor

tensorflow: Any = load_tensorflow()
keras: Any = load_keras()

MOMENTUM = 0.99


class ActivationRange(keras.layers.Layer):
    """Rounds to one of 256 numbers `s (q - z)` in [low, high], with `s = (high - low) / 255` and 0 among them.

    The gradient passes where x is in the range. A `moving` range follows, in a training, the least and greatest of each
    batch by an average of momentum 0.99; a `learned` one has gradients of its own, summed over what is beyond an end
    (Jain et al., arXiv:1903.08066); a `fixed` one is that of an operator that always has the same.
    `tensor` is the name that what is rounded has in the float TFLite file.
    """

    def __init__(self, *, tensor: str, low: float, high: float, kind: str = "moving", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tensor, self.kind = tensor, kind
        self._start = (min(low, 0.0), max(high, 0.0))
        for name, end in zip(("low", "high"), self._start, strict=True):
            start = keras.initializers.Constant(end)
            setattr(self, name, self.add_weight(name=name, shape=(), initializer=start, trainable=kind == "learned"))

    def call(self, inputs: Tensor, training: Any = None) -> Tensor:
        """Round the inputs, behind having followed their range where it moves."""
        if training and self.kind == "moving":
            for end, now in ((self.low, tensorflow.reduce_min(inputs)), (self.high, tensorflow.reduce_max(inputs))):
                end.assign(MOMENTUM * end.value + (1 - MOMENTUM) * now)
        low, high = tensorflow.minimum(self.low.value, 0.0), tensorflow.maximum(self.high.value, 0.0)
        return tensorflow.quantization.fake_quant_with_min_max_vars(inputs, low, high, num_bits=8)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the inputs."""
        return input_shape

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest number, with 0 between them."""
        return min(float(self.low), 0.0), max(float(self.high), 0.0)

    def get_config(self) -> dict[str, Any]:
        """Return what it is made of; its range of this moment is among the weights."""
        low, high = self._start
        return {**super().get_config(), "tensor": self.tensor, "low": low, "high": high, "kind": self.kind}


class FileRecord(keras.layers.Layer):
    """Passes on what it is given: it holds what an int8 file has to know besides the ranges that layers learnt.

    These are the names of the `layers` that stay float, and the `ranges` of tensors inside of layers, such as the sums
    of a normalization, by the names that they have in the float TFLite file.
    """

    def __init__(self, *, layers: Sequence[str], ranges: Mapping[str, Sequence[float]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kept_float = tuple(layers)
        self.inner_ranges = {name: (float(low), float(high)) for name, (low, high) in ranges.items()}

    def call(self, inputs: Tensor) -> Tensor:
        """Return the inputs."""
        return inputs

    def get_config(self) -> dict[str, Any]:
        """Return both."""
        ranges = {name: list(ends) for name, ends in self.inner_ranges.items()}
        return {**super().get_config(), "layers": list(self.kept_float), "ranges": ranges}
