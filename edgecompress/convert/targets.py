"""Targets: which formats and precisions can be emitted, and how they are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from edgecompress.errors import ConversionError
from edgecompress.suggest import suggest

Io = Literal["float32", "int8", "uint8"]


@dataclass(frozen=True)
class Target:
    """A format and a precision; written "format:precision"."""

    format: Literal["tflite", "onnx"]
    precision: Literal["float32", "float16", "dynamic", "int8", "int16x8", "binary"]

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.format}:{self.precision}"


TARGETS = (
    Target("tflite", "float32"),
    Target("tflite", "float16"),  # float16 weights, float32 arithmetic
    Target("tflite", "dynamic"),  # int8 weights, activations quantized while running
    Target("tflite", "int8"),
    Target("tflite", "int16x8"),  # int16 activations, int8 weights
    Target("tflite", "binary"),  # 1-bit weights of layers trained to be binary, and 1-bit activations between them
    Target("onnx", "float32"),
    Target("onnx", "int8"),  # derived from the TFLite file of the same precision, with its scales
    Target("onnx", "binary"),  # derived from the binary TFLite file, with its bits and thresholds
)


def parse_target(text: str) -> Target:
    """Return the target that `text` names.

    Raises:
        ConversionError: there is none of this name; the nearest is suggested.
    """
    by_name = {str(target): target for target in TARGETS}
    if text not in by_name:
        raise ConversionError(
            f"There is no target '{text}'.",
            hint=suggest(text, by_name),
        )
    return by_name[text]


@dataclass(frozen=True)
class Options:
    """What holds for all targets of one conversion."""

    io: Io = "float32"  # type of the inputs and outputs of int8 files
    keep_float: str = ""  # regular expression over layer names
    sparse: bool = False  # store zeros sparsely, for XNNPACK's sparse kernels

    def __post_init__(self) -> None:
        """Raise `ConversionError` where `keep_float` is not a regular expression."""
        try:
            re.compile(self.keep_float)
        except re.error as error:
            raise ConversionError(
                f"'{self.keep_float}' is not a regular expression: {error}.",
                hint="An example is 'conv_pw_1|predictions'.",
            ) from error
