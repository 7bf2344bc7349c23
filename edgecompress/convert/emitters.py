"""The emitter of each target: from what a conversion makes once to the bytes of a file."""

from __future__ import annotations

from collections.abc import Callable

from edgecompress.convert.embedded import METADATA_KEY, embed_json
from edgecompress.convert.making import Making
from edgecompress.convert.onnx.emit import emit_onnx
from edgecompress.convert.targets import Target
from edgecompress.convert.tflite.post_training import quantize, require_no_loops

Emitter = Callable[[Making, Target], bytes]


def emit(making: Making, target: Target) -> bytes:
    """Return the bytes of the file.

    Raises:
        ConversionError: a converter refuses the model.
    """
    return EMITTERS[str(target)](making, target)


def _float32(making: Making, target: Target) -> bytes:
    return making.named(making.sparse if making.options.sparse else making.dense_float, target)


def _quantized(making: Making, target: Target) -> bytes:
    content = quantize(making.dense_float, target, calibration=making.calibration, keep_float=making.options.keep_float)
    return making.named(content, target)


def _int8(making: Making, target: Target) -> bytes:
    return making.int8


def _binary(making: Making, target: Target) -> bytes:
    return making.binary.content


def _onnx_float32(making: Making, target: Target) -> bytes:
    require_no_loops(making.without_loops, target)
    return _onnx(making, making.named(making.without_loops, target), target)


def _onnx_int8(making: Making, target: Target) -> bytes:
    require_no_loops(making.tflite, target)
    return _onnx(making, making.int8, target)


def _onnx_binary(making: Making, target: Target) -> bytes:
    if making.is_onnx:
        return making.binary.content
    require_no_loops(making.dense_float, target)
    return _onnx(making, making.binary.content, target)


def _onnx(making: Making, tflite: bytes, target: Target) -> bytes:
    """From the TFLite file of the same precision, with its scales, bits and thresholds."""
    return emit_onnx(tflite, metadata={METADATA_KEY: embed_json(making.source.preprocessing, target)})


EMITTERS: dict[str, Emitter] = {
    "tflite:float32": _float32,
    "tflite:float16": _quantized,
    "tflite:dynamic": _quantized,
    "tflite:int8": _int8,
    "tflite:int16x8": _quantized,
    "tflite:binary": _binary,
    "onnx:float32": _onnx_float32,
    "onnx:int8": _onnx_int8,
    "onnx:binary": _onnx_binary,
}
