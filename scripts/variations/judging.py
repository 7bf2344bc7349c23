"""A variation, converted as a user does it, and run by the plain runtimes beside Keras itself on inputs of its own."""

from __future__ import annotations

import os
import re
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.convert.targets import Options, parse_target
from edgecompress.environment import load_tensorflow, load_tf_keras
from edgecompress.errors import ConversionError, EdgeCompressError
from edgecompress.pipeline.convert import convert_file
from edgecompress.runs.folder import open_run
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.runtimes.samples import run_samples
from variations.packed import Packed
from variations.plain import Scales, run_plain
from variations.variation import Variation

SAMPLES, CALIBRATION = 8, 32
# The least signal to noise, and the share of the largest output that may be lost where there is little signal.
LIMITS = {"float32": (60.0, 1e-5), "float16": (40.0, 2e-3), "binary": (20.0, 0.02)}
INT8_LIMITS = (10.0, 0.02)
Outcome = tuple[str, str, str]  # target, what came, words


@dataclass
class Judge:
    """Converts and compares; the plain runtimes are in a process of their own, since a file may crash them."""

    pool: ProcessPoolExecutor | None = field(default=None)

    def close(self) -> None:
        """End the plain runtimes' process, which would else be waited for at the end of this one."""
        if self.pool:
            self.pool.shutdown()

    def outcomes(self, variation: Variation | Packed) -> Iterator[Outcome]:
        """Yield what became of each target."""
        if isinstance(variation, Packed):
            yield variation.outcome()
            return
        keras2 = load_tf_keras()
        import keras

        warnings.simplefilter("ignore")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            try:
                made = _Made(variation, keras if variation.keras == "3" else keras2, folder)
            except Exception as error:  # Keras itself does not build, save or run it
                yield "model", "not built", f"{type(error).__name__}: {error}"[:300]
                return
            yield from self._files(made)

    def _files(self, made: _Made) -> Iterator[Outcome]:
        variation = made.variation
        first = list(self._together(made, variation.targets, "float32"))
        yield from first
        narrow = tuple(target for target, outcome, _ in first if target.endswith(":int8") and outcome != "refused")
        if narrow:
            yield from self._together(made, narrow, variation.io)

    def _together(self, made: _Made, targets: tuple[str, ...], io: str) -> Iterator[Outcome]:
        """Convert to all targets at once; where one is refused, to the others without it."""
        shown = "" if io == "float32" else f" --io {io}"
        try:
            artifacts = made.convert(targets, io)
        except EdgeCompressError as error:
            said = f"{error.message} | {error.hint}"
            outcome = "left behind" if made.left_behind() else made.refusal(error)
            if len(targets) == 1 or not isinstance(error, ConversionError):  # of the model, and so of all targets
                yield from ((target + shown, outcome, said) for target in targets)
                return
            named = [target for target in targets if target in said][:1] or targets
            if len(named) == 1:
                yield named[0] + shown, outcome, said
                yield from self._together(made, tuple(each for each in targets if each not in named), io)
                return
            for target in targets:
                yield from self._together(made, (target,), io)
            return
        except Exception:
            yield targets[0] + shown, "crash", traceback.format_exc()
            return
        if made.variation.must_be_refused:
            yield targets[0] + shown, "let through", ""
            return
        for artifact in artifacts:
            yield artifact.target + shown, *self._compared(made, artifact)
        for target in set(targets) - {artifact.target for artifact in artifacts}:
            yield target + shown, "not made", ""

    def _compared(self, made: _Made, artifact: Any) -> tuple[str, str]:
        path = made.out / artifact.path
        if artifact.target == "tflite:binary":  # its operators are in no plain runtime
            with RuntimeProcess(path) as process:
                found = run_samples(process, made.fresh)
        else:
            self.pool = self.pool or ProcessPoolExecutor(1, get_context("spawn"))
            try:
                found = self.pool.submit(run_plain, str(path), made.fresh, _scales(artifact)).result(timeout=300)
            except BrokenProcessPool:
                self.pool = None
                return "wrong", "the file crashes its reader"
            except Exception as error:
                return "wrong", f"runs no more: {type(error).__name__}: {error}"[:300]
        least_db, least_share = LIMITS.get(artifact.target.partition(":")[2], INT8_LIMITS)
        least_db = min(least_db, made.variation.least_db or least_db)
        if len(found) != len(made.expected):
            return "wrong", f"{len(found)} outputs, and {len(made.expected)} in Keras"
        for place, (want, have) in enumerate(zip(made.expected, found, strict=True)):
            if want.shape != have.shape:
                return "wrong", f"output {place}: {have.shape}, and {want.shape} in Keras"
            decibels, apart = _ratio(want, have)
            if not (decibels >= least_db or apart <= least_share * max(1e-9, float(np.abs(want).max()))):
                warned = " ".join(artifact.warnings)
                said = f"output {place}: {decibels:.1f} dB, {apart:.3g} apart of {np.abs(want).max():.3g}; {warned}"
                return ("right, with a warning" if warned else "wrong"), said
        return "right", ""


class _Made:
    """A model file, its calibration samples, and what Keras computes."""

    def __init__(self, variation: Variation, keras: Any, folder: Path) -> None:
        self.variation, self.folder, self.out = variation, folder, folder / "out"
        nest = load_tensorflow().nest
        model = variation.build(keras)
        self.path = folder / ("saved_model" if variation.ending == "folder" else f"model.{variation.ending}")
        if variation.ending != "folder":
            model.save(self.path)
        elif variation.keras == "3":
            model.export(self.path, verbose=False)
        else:
            model.save(self.path, save_format="tf")
        self.names = _names(model)
        inputs = nest.flatten(model.inputs)
        calibration = _noise(inputs, variation, CALIBRATION, 1)
        names = [str(each.name).partition(":")[0] for each in inputs]
        np.savez(folder / "calibration.npz", **dict(zip(names, calibration, strict=True)))
        if variation.calibrate == "images":
            self._write_images(inputs[0])
        self.fresh = _noise(inputs, variation, SAMPLES, 2)
        step = inputs[0].shape[0] or SAMPLES
        parts = [_called(model, [array[start : start + step] for array in self.fresh], names, nest)
                 for start in range(0, SAMPLES, step)]  # fmt: skip
        self.expected = [np.concatenate(each) for each in zip(*parts, strict=True)]
        if variation.change:
            variation.change(self.path)

    def _write_images(self, tensor: Any) -> None:
        from PIL import Image

        generator = np.random.default_rng(4)
        (self.folder / "images").mkdir()
        height, width, channels = tensor.shape[1:]
        for index in range(CALIBRATION):
            pixels = generator.integers(0, 256, (height, width, channels), np.uint8)
            Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(self.folder / "images" / f"{index}.png")

    def convert(self, targets: tuple[str, ...], io: str) -> list[Any]:
        """Convert as the command does."""
        data = {"arrays": f"npz:{self.folder / 'calibration.npz'}", "images": f"folder:{self.folder / 'images'}"}
        calibrate = data.get(self.variation.calibrate, "")
        self.before = set(self.folder.rglob("*"))
        before = Path.cwd()
        os.chdir(self.folder)  # where a hostile model would write
        try:
            if self.path.is_dir():  # as the command tells folders from files
                open_run(self.path)
            return convert_file(
                self.path, tuple(map(parse_target, targets)), self.out, options=Options(io=io),
                calibrate=calibrate, input_range=self.variation.input_range,
            )  # fmt: skip
        finally:
            os.chdir(before)

    def left_behind(self) -> bool:
        """Whether the last conversion, which was refused, left a file."""
        return any(each.is_file() for each in set(self.folder.rglob("*")) - self.before)

    def refusal(self, error: EdgeCompressError) -> str:
        """Return "refused", or what a refusal lacks."""
        said = f"{error.message} {error.hint}"
        if "The process that converts" in said:
            return "crash"
        named = any(  # the activation of a layer, where it is one of its own, is called after the layer
            re.search(rf"['/]{re.escape(name)}(_activation)?['/]|layers? .*\b{re.escape(name)} \(", said)
            for name in self.names
        )
        named = named or "\n  " in error.message  # a list of operators, as they are called in the file
        if not named and not any(word in said for word in self.variation.says):
            return "refusal that names no layer"
        ends = error.message.rstrip().endswith(".") or "\n  " in error.message
        whole = ends and error.hint.rstrip().endswith(".") and "Traceback" not in said
        return "refused" if whole and len(said) < 1500 else "refusal that is no sentence"


def _scales(artifact: Any) -> tuple[Scales, Scales]:
    """The scale and zero point of each input and output, as artifacts.json has them; ONNX files do not say them."""
    return tuple(
        [(spec.quant.scales[0], spec.quant.zero_points[0]) if spec.quant else None for spec in specs]
        for specs in (artifact.inputs, artifact.outputs)
    )


def _noise(inputs: list[Any], variation: Variation, count: int, seed: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    arrays = []
    for tensor in inputs:
        shape, dtype = (count, *tensor.shape[1:]), getattr(tensor.dtype, "name", tensor.dtype)
        if "int" in dtype:
            arrays.append(generator.integers(0, 256 if dtype == "uint8" else 7, shape).astype(dtype))
        else:
            arrays.append(generator.uniform(*variation.span, shape).astype(dtype))
    return arrays


def _called(model: Any, arrays: list[np.ndarray], names: list[str], nest: Any) -> list[np.ndarray]:
    """Return the outputs of a model in the order of `model.outputs`."""
    structure = getattr(model, "_nested_inputs", getattr(model, "_inputs_struct", None))  # in Keras 2, in Keras 3
    if isinstance(structure, dict):
        given: Any = dict(zip(sorted(structure), arrays, strict=True))
    else:
        given = arrays if len(arrays) > 1 else arrays[0]
    return [np.asarray(each) for each in nest.flatten(model(given, training=False))]


def _names(model: Any) -> set[str]:
    """The names of the layers, operations and inputs, those of nested models and wrapped layers included."""
    found = {each.name for each in getattr(model, "_operations", None) or model.layers}
    for layer in [*model.layers, *model._flatten_layers(include_self=False)]:
        found.add(layer.name)
        if hasattr(layer, "_flatten_layers") and layer is not model:
            found |= {each.name for each in getattr(layer, "_operations", None) or ()}
    return found


def _ratio(want: np.ndarray, have: np.ndarray) -> tuple[float, float]:
    """Signal to noise in decibels, and the largest difference, where Keras's numbers are finite."""
    want, have = want.astype(np.float64), have.astype(np.float64)
    finite = np.isfinite(want)
    if not np.array_equal(finite, np.isfinite(have)):
        return -np.inf, np.inf
    want, difference = want[finite], (want - have)[finite]
    noise = max(float(np.mean(np.square(difference))) if difference.size else 0.0, 1e-300)
    signal = max(float(np.var(want)) if want.size else 0.0, 1e-300)
    return 10 * np.log10(signal / noise), float(np.abs(difference).max(initial=0.0))
