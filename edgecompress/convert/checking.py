"""Which source each file of a conversion is compared with, on which inputs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from edgecompress.convert.comparison import (
    Arrays,
    Compared,
    Reference,
    TooFar,
    compare,
    file_function,
    keras_function,
    output_steps,
    references,
)
from edgecompress.convert.making import Making
from edgecompress.convert.parting import first_parting
from edgecompress.convert.probes import Probes, calibration_probes, noise_probes
from edgecompress.convert.stopping import first_stop
from edgecompress.convert.targets import Target
from edgecompress.convert.tflite.binary.emit import has_binary_operators
from edgecompress.convert.tflite.boundary_layers import with_float_weights
from edgecompress.convert.tflite.post_training import NEED_CALIBRATION
from edgecompress.errors import ConversionError, RuntimeRefusal, UnsupportedModelError
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.runtimes.process import RuntimeProcess

FLOAT = Target("tflite", "float32")


class Checking:
    """The checks of one conversion; what several need is computed once. Use it in a `with` statement."""

    def __init__(self, making: Making) -> None:
        self._making, self._source = making, making.source
        self._scratch = tempfile.TemporaryDirectory(prefix="edgecompress-")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._scratch.cleanup()

    def compared(self, target: Target, path: Path) -> Compared:
        """Compare an emitted file with what it was made from.

        Raises:
            ConversionError: the file computes something else; the output is named.
            RuntimeRefusal: the runtime refuses it.
        """
        try:
            return self._compared(target, path)
        except TooFar as error:
            raise ConversionError(
                f"The {target} file of '{self._source.variant}' computes something else than its source: {error}"
                f"{self._where(target, path)}. Nothing was kept.",
                hint=_hint(target),
            ) from error

    def where_it_stops(self, target: Target, path: Path) -> str:
        """The layer and the operator of a file that does not run; "" where that is not found."""
        if target.format != "tflite" or self._making.is_onnx:
            return ""
        calibrated = self._making.calibration is not None and target.precision in NEED_CALIBRATION
        try:
            probes = (self._calibrated if calibrated else self._float).probes
        except RuntimeRefusal:  # the file that says what inputs there are does not run either
            return ""
        return first_stop(path.read_bytes(), probes.arrays)

    def _compared(self, target: Target, path: Path) -> Compared:
        precision = target.precision
        if self._making.is_onnx:
            return compare(path, self._float, precision=precision)
        if precision == "binary":
            return self._compared_binary(path)
        if precision == "int8" and self._source.quantized is not None:
            return compare(path, self._aware, precision=precision, steps=self._int8_steps)
        if target == FLOAT and not self._making.options.sparse:
            self._float_compared = compare(path, self._float, precision=precision)  # it computes what it is made from
            return self._float_compared
        if target != FLOAT:
            self._require_float(target)
        if precision not in NEED_CALIBRATION:
            return compare(path, self._float, precision=precision)
        steps = self._int8_steps if precision == "int8" else []
        return compare(path, self._calibrated, precision=precision, steps=steps)

    def _compared_binary(self, path: Path) -> Compared:
        """Compare a binary file with the network before its layers became bits, and that one with the model."""
        making = self._making
        if has_binary_operators(making.dense_float):
            # As Larq's converter makes them: no runtime tells such operators apart before they have codes of their own.
            alone = compare(path, Reference(self._source.variant, self._noise, file_function(path)), precision="binary")
            said = "The source runs in no runtime as it is: the file was run, and compared with nothing."
            return replace(alone, agreement=(), warnings=(said,))
        self._require_float(Target("tflite", "binary"))
        # In front of int8 weights LiteRT quantizes activations as it runs, and ONNX Runtime does not.
        ends = making.boundary if path.suffix == ".tflite" else with_float_weights(making.boundary)
        before = self._written("ends.tflite", ends)
        precision = "float32" if making.boundary == making.dense_float else "ends"
        warnings = compare(before, self._float, precision=precision).warnings
        reference = Reference(self._source.variant, self._noise, file_function(before))
        compared = compare(path, reference, precision="binary")
        return replace(compared, warnings=warnings + compared.warnings)

    def _where(self, target: Target, path: Path) -> str:
        """The first tensor in which a file that was quantized after training parts from the float one."""
        if target.format != "tflite" or target.precision not in NEED_CALIBRATION or self._source.quantized is not None:
            return ""
        whole = self._written("whole.tflite", self._making.without_loops)
        name = first_parting(whole, path, self._calibrated.probes, precision=target.precision)
        return f"; '{name}' is the first tensor that parts" if name else "; no tensor before it parts"

    def _require_float(self, target: Target) -> None:
        """Compare the float file that others are made from: what it has lost, the wide bounds of int8 would hide."""
        if isinstance(self._source.model, bytes):
            return
        has_none = target.format == "onnx" or target.precision == "int8"
        _ = self._compared_without_loops if self._making.loops and has_none else self._float_compared

    @cached_property
    def _float_compared(self) -> Compared:
        return compare(self._written("float.tflite", self._making.dense_float), self._float, precision="float32")

    @cached_property
    def _compared_without_loops(self) -> Compared:
        return compare(self._written("one_graph.tflite", self._making.without_loops), self._float, precision="float32")

    @property
    def _float(self) -> Reference:
        return self._references["noise"]

    @property
    def _calibrated(self) -> Reference:
        return self._references["calibration"]  # it is there: `Making.check` asked for it

    @cached_property
    def _references(self) -> dict[Literal["calibration", "noise"], Reference]:
        calibration = self._making.calibration
        if calibration is None or self._source.quantized is not None:
            return references(self._source.variant, self._function, self._noise)
        return references(self._source.variant, self._function, self._noise, calibration_probes(calibration))

    @cached_property
    def _aware(self) -> Reference:
        calibration = self._making.calibration
        probes = calibration_probes(calibration) if calibration else self._noise
        return Reference(self._source.variant, probes, keras_function(self._source.quantized))

    @cached_property
    def _function(self) -> Callable[[Arrays], list]:
        model = self._source.model
        if not isinstance(model, bytes):
            return keras_function(model)
        if self._making.is_onnx:
            # Others write zeros where ONNX Runtime takes them into a pool (`onnx.operators.shape.pad`).
            return file_function(self._written("source.onnx", model), as_written=True)
        return file_function(self._written("source.tflite", model))

    @cached_property
    def _noise(self) -> Probes:
        making = self._making
        if making.is_onnx:
            path = self._written("source.onnx", self._source.model)
        else:
            path = self._written("inputs.tflite", making.tflite)
        with RuntimeProcess(path) as process:
            inputs, _, _ = process.describe()
            try:
                limits = process.index_bounds()
            except UnsupportedModelError:  # loops, whose bodies nobody follows
                limits = {}
        return noise_probes(inputs, limits, preprocessing=self._source.preprocessing, calibration=making.calibration)

    @cached_property
    def _int8_steps(self) -> list[float]:
        return output_steps(parse_graph(self._making.int8))

    def _written(self, name: str, content: bytes) -> Path:
        path = Path(self._scratch.name) / name
        path.write_bytes(content)
        return path


def _hint(target: Target) -> str:
    if target.precision in NEED_CALIBRATION:
        return (
            "Calibrate with more of the data that the model will see, or leave sensitive layers out with --keep-float."
        )
    return "This is a fault of the conversion: please report the model."
