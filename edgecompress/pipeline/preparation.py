"""What a lone model file takes: the range of its pixels, and the samples to calibrate it with; and what was assumed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgecompress.convert.tflite.post_training import Calibration
from edgecompress.data.calibration import read_calibration, read_input_arrays
from edgecompress.errors import ConversionError, UnsupportedModelError
from edgecompress.progress import Progress
from edgecompress.values import Preprocessing, TensorSpec

Range = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Preparation:
    """How images become the model's input, where it takes images; calibration samples; and sentences on both."""

    preprocessing: Preprocessing | None
    calibration: Calibration | None
    assumptions: tuple[str, ...]


def prepare(
    name: str,
    inputs: tuple[TensorSpec, ...],
    *,
    given: Range | None,
    own: Range | None,
    fit: str,
    calibrate: str,
    on_progress: Progress,
) -> Preparation:
    """Find out how a model of these inputs is to be fed.

    Args:
        name: the model, in messages.
        inputs: its inputs; the first axis of each is the batch.
        given: what the user says that pixels 0..255 are mapped to.
        own: what the model itself says.
        fit: how images of another shape get the model's.
        calibrate: "DATA:N" or "".
        on_progress: told how far reading is.

    Raises:
        ConversionError: images are to calibrate with, and nobody says what range they are mapped to.
        UnsupportedModelError: data of images for inputs that take none.
        DataError: as its name says.
    """
    _require_range(given)
    image = _image(inputs)
    preprocessing = _preprocessing(image, given or own, fit) if image is not None else None
    assumptions = _assumptions(image, given, own)
    if not calibrate:
        return Preparation(preprocessing, None, assumptions)
    arrays = read_input_arrays(calibrate, inputs, named_only=preprocessing is not None)
    if arrays is not None:
        return Preparation(preprocessing, arrays, (*assumptions, "Calibrated with arrays as they are, unscaled."))
    if image is None:
        names = ", ".join(f"'{spec.name}' {spec.shape[1:]}" for spec in inputs)
        raise UnsupportedModelError(
            f"'{name}' takes {names}, no image of 1 or 3 channels, and '{calibrate}' has no array for each of these.",
            hint="Calibrate with an archive of arrays named as the inputs are: --calibrate npz:inputs.npz:200.",
        )
    if preprocessing is None:
        raise ConversionError(
            f"It is not known what range '{name}' expects pixels in, and wrong ranges give wrong int8 files.",
            hint="Say it: --input-range 0 255, 0 1 or -1 1.",
        )
    return Preparation(
        preprocessing, (read_calibration(calibrate, preprocessing, on_progress=on_progress),), assumptions
    )


def _assumptions(image: TensorSpec | None, given: Range | None, own: Range | None) -> tuple[str, ...]:
    if image is None:
        return ()
    if given is not None and own is not None and given != own:
        return (f"The model's first layer expects pixels in {_text(own)}; the files say {_text(given)}, as was given.",)
    if given is None and own is not None:
        return (f"Pixels 0..255 are mapped to {_text(own)}: what the model's first layer expects.",)
    if given is None:
        return (
            "The model does not tell what range it expects pixels in, so that the files carry no preprocessing: "
            "--input-range LOW HIGH says it.",
        )
    return ()


def _require_range(given: Range | None) -> None:
    if given is not None and not (all(map(math.isfinite, given)) and given[0] < given[1]):
        raise ConversionError(
            f"--input-range {given[0]:g} {given[1]:g} is no range: two numbers are expected, the lower one first.",
            hint="Write, for example, --input-range 0 1.",
        )


def _image(inputs: tuple[TensorSpec, ...]) -> TensorSpec | None:
    """The one input, if it may take images."""
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].shape[3] not in (1, 3) or -1 in inputs[0].shape[1:]:
        return None
    return inputs[0]


def _preprocessing(image: TensorSpec, pixels: Range | None, fit: str) -> Preprocessing | None:
    if pixels is None:
        return None
    _, height, width, channels = image.shape
    low, high = pixels
    return Preprocessing(height, width, channels, scale=((high - low) / 255,), offset=(low,), fit=fit)


def _text(pixels: Range) -> str:
    return f"{pixels[0]:g}..{pixels[1]:g}"
