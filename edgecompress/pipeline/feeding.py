"""What a lone model file is fed with: nothing that it was not made for, and what was assumed is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgecompress.convert.embedded import embedded_preprocessing
from edgecompress.data.intake import fitted, model_inputs
from edgecompress.data.rows import Images
from edgecompress.errors import DataError, UnsupportedModelError
from edgecompress.formats.read import read_model
from edgecompress.formats.tflite.file import read_graph
from edgecompress.numerics.affine import dequantize, quantize
from edgecompress.runtimes.inputs import example_inputs
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.values import Intake, Preprocessing, QuantScheme, TensorSpec

Range = tuple[float, float]
INDEX_BYTES = 4  # integers of so many bytes and more are indices, unless they have a scale


@dataclass(frozen=True, eq=False)
class Feed:
    """Records for a model, one array an input each, as it stores them, and in words what was assumed of them."""

    records: list[list[np.ndarray]]
    assumed: str
    labels: tuple[str, ...] = ()  # what the file calls its classes, if it does


def feed_images(path: Path, specs: Sequence[TensorSpec], images: np.ndarray, *, input_range: Range | None) -> Feed:
    """Bring images (uint8, N x h x w x c) into the form of a model's only input.

    Its values are, in this order, what the caller says, what edgecompress has embedded in the file, or what the input's
    quantization can hold.

    Raises:
        DataError: none of them tells.
        UnsupportedModelError: it has other inputs.
    """
    if len(specs) != 1:
        raise UnsupportedModelError(
            f"{path.name} has {len(specs)} inputs; images are for one.",
            hint="Leave out `--data`: it is then compared on random inputs.",
        )
    spec = specs[0]
    embedded = embedded_preprocessing(read_model(path).metadata)
    if embedded is not None and input_range is None:
        words = (
            f"as it says itself: {embedded.height} x {embedded.width} x {embedded.channels}, {_range_words(embedded)}"
        )
        return replace(feed_as(embedded, specs, images, words), labels=embedded.labels)
    if len(spec.shape) != 4 or spec.shape[3] not in (1, 3) or min(spec.shape[1:]) < 1:
        raise UnsupportedModelError(
            f"{path.name} takes an input of shape {spec.shape}, which is no image (NHWC).",
            hint="Leave out `--data`: it is then compared on random inputs.",
        )
    (low, high), why = _known_range(path, spec, input_range)
    scale = ((high - low) / 255,)
    preprocessing = Preprocessing(spec.shape[1], spec.shape[2], spec.shape[3], scale=scale, offset=(low,))
    return feed_as(preprocessing, specs, images, f"pixels as {low:g} to {high:g}, {why}")


def feed_as(intake: Intake, specs: Sequence[TensorSpec], samples: Images, assumed: str) -> Feed:
    """Bring samples of a data set into the form that a model takes."""
    arrays = model_inputs(fitted(samples, intake), intake)
    stored = [quantize(array, spec) for array, spec in zip(arrays, specs, strict=True)]
    return Feed([[array[index : index + 1] for array in stored] for index in range(len(samples))], assumed)


def feed_noise(
    path: Path,
    process: RuntimeProcess,
    inputs: Sequence[TensorSpec],
    *,
    count: int,
    input_range: Range | None,
    seed: int = 0,
) -> Feed:
    """Draw `count` seeded records for any model, uniform over what each of its `inputs` (no axis free) can be.

    Floats and integers with a scale get the range of images; other integers are indices, below the size of the table
    that they are looked up in.

    Raises:
        DataError: nothing tells what an input can be.
        UnsupportedModelError: an input is no number.
    """
    shapes = example_inputs(tuple(inputs))
    bounds = process.index_bounds() if any(_is_index(spec) for spec in inputs) else {}
    ranges, words = [], []
    for spec in inputs:
        (low, high), why = _noise_range(path, spec, len(inputs), bounds, input_range)
        ranges.append((low, high))
        words.append(f"{spec.name} {low:g} to {high:g}, {why}")
    generator = np.random.default_rng(seed)
    records = [
        [_draw(generator, spec, zeros.shape, each) for spec, zeros, each in zip(inputs, shapes, ranges, strict=True)]
        for _ in range(count)
    ]
    return Feed(records, f"random inputs: {'; '.join(words)}")


def _is_index(spec: TensorSpec) -> bool:
    dtype = np.dtype(spec.dtype)
    return spec.quant is None and dtype.kind in "iu" and dtype.itemsize >= INDEX_BYTES


def _noise_range(
    path: Path, spec: TensorSpec, count: int, bounds: dict[str, int], input_range: Range | None
) -> tuple[Range, str]:
    if np.dtype(spec.dtype).kind == "b":
        return (0, 1), "true or false"
    if _is_index(spec) and input_range is None and spec.name in bounds:
        return (0, bounds[spec.name] - 1), "the rows of its table"
    embedded = embedded_preprocessing(read_model(path).metadata) if count == 1 and not _is_index(spec) else None
    if embedded is not None and input_range is None:
        return _range_of(embedded), "as it says itself"
    return _known_range(path, spec, input_range)


def _known_range(path: Path, spec: TensorSpec, input_range: Range | None) -> tuple[Range, str]:
    """What the values of an input can be, and where that is known from."""
    if input_range is not None:
        return input_range, "as you said"
    quant = spec.quant or _quant_behind(path, spec.name)
    if quant is not None and len(quant.scales) == 1:
        dtype = spec.dtype if spec.quant else "int8"
        limits = np.iinfo(dtype)
        ends = np.array([limits.min, limits.max], dtype)
        low, high = dequantize(ends, TensorSpec(spec.name, (2,), dtype, quant)).tolist()
        return (low, high), "as its quantization can hold"
    if spec.dtype == "uint8":
        return (0, 255), "as they are"
    raise DataError(
        f"{path.name} does not say which values its input {spec.name!r} takes.",
        hint="Say it as the model was trained: `--input-range 0 1`, `--input-range -1 1` or `--input-range 0 255`.",
    )


def _quant_behind(path: Path, name: str) -> QuantScheme | None:
    """The scheme of the int8 tensor that a TFLite file makes of a float input before all else."""
    if path.suffix.lower() != ".tflite":
        return None
    graph = read_graph(path)
    index = next((each for each in graph.inputs if graph.tensors[each].name == name), None)
    readers = [operator for operator in graph.operators if index in operator.inputs]
    if len(readers) != 1 or readers[0].kind != "QUANTIZE":
        return None
    tensor = graph.tensors[readers[0].outputs[0]]
    return tensor.quant if tensor.dtype == "int8" else None


def _range_of(preprocessing: Preprocessing) -> Range:
    scale, offset = np.array(preprocessing.scale), np.array(preprocessing.offset)
    ends = np.stack(np.broadcast_arrays(offset, 255 * scale + offset))
    return float(ends.min()), float(ends.max())


def _range_words(preprocessing: Preprocessing) -> str:
    low, high = _range_of(preprocessing)
    return f"pixels as {low:g} to {high:g}"


def _draw(generator: np.random.Generator, spec: TensorSpec, shape: Sequence[int], between: Range) -> np.ndarray:
    low, high = between
    dtype = np.dtype(spec.dtype)
    if spec.quant is None and dtype.kind in "iub":
        return generator.integers(int(low), int(high), shape, endpoint=True).astype(dtype)
    return quantize(generator.uniform(low, high, shape).astype(np.float32), spec)
