"""The child process that loads a model, translates it and emits files of it: one model at a time.

A model file may be hostile, and TensorFlow may crash on it, so that none of this happens in the process of a command.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from edgecompress.child.service import Answer, Handler, Request
from edgecompress.convert.conversion import convert
from edgecompress.convert.embedded import embedded_preprocessing
from edgecompress.convert.making import Source
from edgecompress.convert.targets import Options, parse_target
from edgecompress.errors import ConversionError
from edgecompress.formats.read import read_model
from edgecompress.formats.tflite.file import read_graph
from edgecompress.runtimes.check import check_runs
from edgecompress.values import Artifact, LayerNote, Preprocessing, TensorSpec


@dataclass(frozen=True)
class Opened:
    """What must be known of a model before it is emitted."""

    inputs: tuple[TensorSpec, ...]
    own_range: tuple[float, float] | None  # what pixels 0..255 are mapped to, as far as the model tells
    quantization_aware: bool
    binary: bool  # whether it has layers that are meant to be binary
    notes: tuple[LayerNote, ...] = ()  # what was done to layers while they were loaded


_models: dict[str, Any] = {}  # "model", and "quantized" where there is a twin with fake quantization


def open_model(request: Request, *, path: str, twin: str, trust: bool) -> Answer:
    """Load a Keras file, and its twin with fake quantization if there is one; or read a TFLite or ONNX file."""
    _models.clear()
    opened = (
        _open_emitted(Path(path)) if path.lower().endswith((".tflite", ".onnx")) else _open_keras(path, twin, trust)
    )
    return TypeAdapter(Opened).dump_python(opened, mode="json"), []


def emit(request: Request, *, source: dict[str, Any], targets: list[str], options: dict[str, Any]) -> Answer:
    """Emit the model for each target into the scratch folder; the arrays are calibration samples, one an input."""
    preprocessing = TypeAdapter(Preprocessing | None).validate_python(source.pop("preprocessing"))
    model = _models["model"]
    try:
        artifacts = convert(
            Source(**source, preprocessing=preprocessing, model=model, quantized=_models.get("quantized")),
            tuple(map(parse_target, targets)),
            request.scratch / "emitted",
            options=Options(**options),
            calibration=tuple(request.arrays) or None,
            on_progress=request.on_progress,
        )
    except ConversionError:
        if not isinstance(model, bytes):
            from edgecompress.keras_bridge import batches
            from edgecompress.tfmot.native import native

            computing = native(model)
            batches.require_finite(computing)  # these name the layer, where they are the reason
            batches.require_no_randomness(computing)
            batches.require_samples_apart(computing)
        raise
    return TypeAdapter(tuple[Artifact, ...]).dump_python(artifacts, mode="json"), []


def _open_keras(path: str, twin: str, trust: bool) -> Opened:
    from edgecompress.convert.tflite.binary.meant import meant_binary
    from edgecompress.convert.tflite.rounding.trained_ranges import trained_ranges, without_rounding
    from edgecompress.keras_bridge.batches import require_no_state
    from edgecompress.keras_bridge.input_range import own_input_range
    from edgecompress.loading import load_noted
    from edgecompress.tfmot.keras2_file import is_quantization_aware
    from edgecompress.tfmot.native import native

    noted = load_noted(Path(path), trust=trust)
    model = native(noted.model)
    rounds = trained_ranges(model) is not None
    aware = rounds or is_quantization_aware(model)
    require_no_state(model)
    _models["model"] = native(without_rounding(noted.model)) if rounds else model
    if aware or twin:
        _models["quantized"] = native(load_noted(Path(twin)).model) if twin else model
    inputs = tuple(
        TensorSpec(name, tuple(-1 if size is None else size for size in tensor.shape), tensor.dtype.name)
        for name, tensor in zip(model.input_names, model.inputs, strict=True)
    )
    return Opened(inputs, own_input_range(model), aware, bool(meant_binary(model)), noted.notes)


def _open_emitted(path: Path) -> Opened:
    """Read and run a file; a TFLite file with custom operators may be one that its runtime refuses, as Larq's are."""
    _models["model"] = path.read_bytes()
    said = embedded_preprocessing(read_model(path).metadata)
    known = said is not None and len(said.scale) == len(said.offset) == 1
    own = (said.offset[0], said.offset[0] + 255 * said.scale[0]) if said and known else None
    if path.suffix.lower() == ".tflite":
        graph = read_graph(path)
        if any(operator.kind == "CUSTOM" for operator in graph.operators):
            return Opened(tuple(graph.tensors[index].spec for index in graph.inputs), own, False, True)
    inputs, _, _ = check_runs(path)
    return Opened(inputs, own, False, True)


def option_values(options: Options) -> dict[str, Any]:
    """Return the options as a request carries them."""
    return {field.name: getattr(options, field.name) for field in fields(options)}


REQUESTS: dict[str, Handler] = {"open": open_model, "emit": emit}
