"""What emitted files are made of: what several targets need is made once."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from edgecompress.convert.embedded import METADATA_KEY, embed_json
from edgecompress.convert.onnx.rewrite import rewrite_onnx
from edgecompress.convert.targets import Options, Target
from edgecompress.convert.tflite.annotate import annotate, with_signature
from edgecompress.convert.tflite.binary.emit import BinaryFile, binary_tensors, emit_binary
from edgecompress.convert.tflite.binary.meant import meant_binary
from edgecompress.convert.tflite.binary.whole_sums import with_whole_sums
from edgecompress.convert.tflite.boundary_layers import quantize_boundary_layers
from edgecompress.convert.tflite.io_types import set_io
from edgecompress.convert.tflite.post_training import (
    NEED_CALIBRATION,
    Calibration,
    layer_pattern,
    quantize,
)
from edgecompress.convert.tflite.rounding.trained_ranges import TrainedRanges, trained_ranges, without_rounding
from edgecompress.environment import load_keras
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.formats.tflite.graph import Graph
from edgecompress.keras_bridge.native import NativeModel
from edgecompress.keras_bridge.splitting.recurrent import loops, without_loops
from edgecompress.tfmot.native import native
from edgecompress.values import LayerNote, Preprocessing

SPARSE = Target("tflite", "float32")  # the only target with sparse kernels: XNNPACK has none of other precisions
_TFLITE_MARK = b"TFL3"  # at byte 4


@dataclass(frozen=True)
class Source:
    """A trained model: the float network and, after quantization-aware training, its twin with fake quantization."""

    variant: str
    model: Any  # the network, or the bytes of a float TFLite or ONNX file
    origin: str  # which file or run it is from
    quantized: Any | None = None
    preprocessing: Preprocessing | None = None
    assumptions: tuple[str, ...] = ()  # what nobody said of it


@dataclass(frozen=True)
class Making:
    """One conversion: what several targets need is made when first asked for, and kept."""

    source: Source
    options: Options
    calibration: Calibration | None

    def file_name(self, target: Target) -> str:
        """Return what the file is called; one with integer inputs and outputs is not called as that with float ones."""
        io = f".io-{self.options.io}" if target.precision == "int8" and self.options.io != "float32" else ""
        return f"{self.source.variant}.{target.precision}{io}.{target.format}"

    def check(self, targets: tuple[Target, ...]) -> None:
        """Refuse what can be known to fail before anything is computed."""
        quantization_aware = self.source.quantized is not None
        if self.options.sparse and SPARSE not in targets:
            raise ConversionError(
                f"--sparse is for {SPARSE}: XNNPACK runs sparse kernels in float32 only.",
                hint=f"Add --to {SPARSE}, or leave out --sparse.",
            )
        for target in targets:
            if target.precision == "binary" and self.options.io != "float32":
                raise ConversionError(
                    f"{target} files have float32 inputs and outputs; --io {self.options.io} is for int8 files.",
                    hint="Leave out --io, or emit the int8 files on their own.",
                )
            if self.is_onnx and str(target) != "onnx:binary":
                raise ConversionError(f"An ONNX file is emitted as onnx:binary, not as {target}.")
            needed = target.precision in NEED_CALIBRATION and not (quantization_aware and target.precision == "int8")
            if needed and self.calibration is None:
                raise ConversionError(
                    f"{target} needs example inputs to find the ranges of its activations.",
                    hint="Give some with --calibrate, such as --calibrate folder:images:200.",
                )

    def float_layers(self, target: Target) -> tuple[LayerNote, ...]:
        """Return the operators that compute in float in an int8 or binary file, and why."""
        if target.precision == "binary":
            return tuple(note for note in self.binary.notes if note.reason)
        if target.precision != "int8":
            return ()
        graph = parse_graph(self.int8)
        pattern = re.compile(layer_pattern(self.options.keep_float)) if self.options.keep_float else None
        return tuple(
            LayerNote(name, "kept float", "matches --keep-float" if pattern and pattern.match(name) else reason)
            for name, reason in _float_operators(graph)
        )

    def warnings(self, target: Target) -> tuple[str, ...]:
        """Return what was asked for and made no difference, and what is otherwise than in the model."""
        if self.options.sparse and target == SPARSE and not any(t.sparsity for t in parse_graph(self.sparse).tensors):
            return ("No kernel has enough zeros to be stored sparsely: --sparse changed nothing.",)
        if self.loops and (target.format == "onnx" or target.precision == "int8"):
            listed = ", ".join(f"'{name}' ({steps} steps)" for name, steps in self.loops.items())
            return (f"Loops are written out, step by step: {listed}.",)
        return ()

    @cached_property
    def trained_ranges(self) -> TrainedRanges | None:
        """What was learnt in a training in Keras 3, of the ranges that an int8 file needs."""
        return None if self.source.quantized is None else trained_ranges(self.source.quantized)

    @cached_property
    def sparse(self) -> bytes:
        """The float TFLite file with kernels of many zeros stored sparsely."""
        return self._exported(sparse=True)

    @cached_property
    def dense_float(self) -> bytes:
        """The float TFLite file that the others are made from."""
        return self._exported(sparse=False)

    @cached_property
    def loops(self) -> dict[str, int]:
        """How many steps each recurrent layer takes whose loop is written out where a file can have none, by name."""
        return {} if self._keras3 is None else loops(self._keras3)

    @cached_property
    def without_loops(self) -> bytes:
        """The float TFLite file in which those layers are written out, step by step."""
        from edgecompress.convert.tflite.export import export_float

        return export_float(without_loops(self._keras3)) if self.loops else self.dense_float

    @property
    def _keras3(self) -> Any | None:
        """The model, where it is one of Keras 3."""
        model = self.source.model
        found = model.keras_model if isinstance(model, NativeModel) else model
        return found if isinstance(found, load_keras().Model) else None

    def _exported(self, *, sparse: bool) -> bytes:
        from edgecompress.convert.tflite.export import export_float

        if isinstance(self.source.model, bytes):
            return with_signature(self.source.model)
        content = export_float(self.source.model, sparse=sparse)
        return with_whole_sums(content) if any(self._meant_binary.values()) else content

    @cached_property
    def _meant_binary(self) -> dict[str, bool]:
        return {} if isinstance(self.source.model, bytes) else meant_binary(native(self.source.model))

    @cached_property
    def is_onnx(self) -> bool:
        """Whether the source is an ONNX file."""
        model = self.source.model
        return isinstance(model, bytes) and model[4:8] != _TFLITE_MARK

    @cached_property
    def binary(self) -> BinaryFile:
        """The file with binary layers in bits: a TFLite file, or the ONNX file that the source is."""
        if self.is_onnx:
            metadata = {METADATA_KEY: embed_json(self.source.preprocessing, Target("onnx", "binary"))}
            return rewrite_onnx(self.source.model, metadata=metadata)
        file = emit_binary(self.boundary, expected=self._meant_binary)
        return replace(file, content=self.named(file.content, Target("tflite", "binary")))

    @property
    def tflite(self) -> bytes:
        """A TFLite file with the model's inputs: the float one, or the int8 one of a quantization-aware model alone."""
        return self.int8 if self.source.model is self.source.quantized else self.without_loops

    @cached_property
    def boundary(self) -> bytes:
        """A binary network before its binary layers become bits: the others are in int8, as far as they can be."""
        content = self.dense_float
        return quantize_boundary_layers(
            content, binary_tensors(content), calibration=self.calibration, keep_float=self.options.keep_float
        )

    @cached_property
    def _rounded(self) -> bytes:
        """The float TFLite file with the kernels that were trained to be rounded: as they are, in how few bits ever."""
        from edgecompress.convert.tflite.export import export_float

        return export_float(without_rounding(self.source.quantized))

    @cached_property
    def int8(self) -> bytes:
        """The TFLite file in int8."""
        target = Target("tflite", "int8")
        trained = self.trained_ranges
        if self.source.quantized is None or trained is not None:
            content = quantize(
                self._rounded if trained else self.without_loops,
                target,
                calibration=self.calibration,
                keep_float=trained.keep_float if trained else self.options.keep_float,
                ranges=trained.ranges if trained else None,
            )
        else:
            from edgecompress.convert.tflite.export import export_quantization_aware

            content = export_quantization_aware(self.source.quantized)
        graph = parse_graph(content)
        if not any(graph.tensors[index].dtype == "int8" for index in graph.producers):
            raise ConversionError(
                f"No operator of '{self.source.variant}' computes in int8.",
                hint="Loosen --keep-float, or emit float32.",
            )
        return self.named(set_io(content, self.options.io), target)

    def named(self, content: bytes, target: Target) -> bytes:
        """Return the TFLite file with the model's names of inputs and outputs, and what the artifact says of itself."""
        inputs, outputs = self._boundary_names()
        metadata = {METADATA_KEY: embed_json(self.source.preprocessing, target)}
        return annotate(content, inputs=inputs, outputs=outputs, metadata=metadata)

    def _boundary_names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names of the model's inputs and outputs."""
        model = self.source.model
        if not isinstance(model, bytes):
            model = native(model)
            return tuple(model.input_names), tuple(model.output_names)
        graph = parse_graph(model)
        inputs = tuple(graph.tensors[index].name for index in graph.inputs)
        return inputs, tuple(graph.tensors[index].name for index in graph.outputs)


def _float_operators(graph: Graph) -> list[tuple[str, str]]:
    found = []
    for operator in graph.operators:
        output = graph.tensors[operator.outputs[0]]
        if operator.kind not in {"QUANTIZE", "DEQUANTIZE", "DENSIFY"} and output.dtype.startswith("float"):
            found.append((output.name, f"{operator.kind} has no int8 form here, or stands behind one that has none"))
    return found
