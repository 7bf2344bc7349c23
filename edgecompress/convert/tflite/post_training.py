"""Post-training quantization of a float TFLite file by ai-edge-quantizer."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.convert.targets import Target
from edgecompress.convert.tflite.annotate import SIGNATURE
from edgecompress.convert.tflite.editor import Editor
from edgecompress.convert.tflite.int8_kernels.biases import with_biases_that_fit
from edgecompress.convert.tflite.int8_kernels.few_levels import with_exact_levels
from edgecompress.convert.tflite.rounding.float_islands import without_islands
from edgecompress.convert.tflite.sums import with_any_scales
from edgecompress.convert.tflite.taps import put_back, take_off, with_unread_as_outputs, with_unread_quantized
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.quiet import quiet

Calibration = tuple[np.ndarray, ...]  # an array an input, samples along the first axis
NEED_CALIBRATION = ("int8", "int16x8")
SHOWN_OPERATORS = 5
CONTROL_FLOW = ("WHILE", "IF", "CALL", "CALL_ONCE", "STABLEHLO_WHILE", "STABLEHLO_COMPOSITE")


def quantize(
    content: bytes,
    target: Target,
    *,
    calibration: Calibration | None,
    keep_float: str = "",
    operators: tuple[str, ...] = ("ALL_SUPPORTED",),
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> bytes:
    """Return the float file in the target's precision, with inputs and outputs as they are.

    `calibration` holds, for each input in the file's order, N x the input's shape without its batch axis; float16 and
    dynamic need none. Layers whose name matches `keep_float` are left as they are, as are all operators but those of
    the kinds named. `ranges` has the least and the greatest value of tensors by their names; that of others is found
    by running the file on the calibration inputs.

    Raises:
        ConversionError: calibration inputs are needed and missing, or of another shape; nothing can be quantized.
    """
    from ai_edge_quantizer import quantizer

    recipe = _recipe(target, keep_float, operators)
    static = target.precision in NEED_CALIBRATION
    if static:
        require_no_loops(content, target)
    content, taps = take_off(content) if static else (content, None)
    with quiet():
        try:
            job = quantizer.Quantizer(content, recipe.get_quantization_recipe())
            found = _ranges(content, target, recipe, calibration, ranges or {}) if job.need_calibration else None
            if found is not None and not found:
                raise _nothing_left(content, target, keep_float)
            if found is not None:
                _require_finite(found, target)
            result = job.quantize(found)
        except (ValueError, RuntimeError, NotImplementedError) as error:
            raise ConversionError(
                f"ai-edge-quantizer refused the model for {target}: {str(error).splitlines()[0]}",
                hint="Leave the layer that it names out with --keep-float.",
            ) from error
        with tempfile.TemporaryDirectory() as folder:
            # The bytes in memory lack the constants that stand behind the flatbuffer in the file.
            path = Path(folder) / "quantized.tflite"
            result.export_model(str(path))
            made = path.read_bytes()
    if taps is None:
        return made
    if target.precision == "int16x8":
        made = with_any_scales(made)
    else:
        made = without_islands(with_biases_that_fit(with_exact_levels(made, content), content))
    return put_back(with_unread_quantized(made), taps)


def _nothing_left(content: bytes, target: Target, keep_float: str) -> ConversionError:
    editor = Editor(content)
    found = dict.fromkeys(
        (layer_of(editor.name(each.outputs[0])), editor.kind(each)) for each in editor.graph.operators
    )
    shown = [f"'{layer}' ({kind})" for layer, kind in found]
    more = f" and {len(shown) - SHOWN_OPERATORS} more" if shown[SHOWN_OPERATORS:] else ""
    why = "--keep-float keeps" if keep_float else "ai-edge-quantizer has no such form of"
    return ConversionError(
        f"Nothing is left to compute in {target.precision}: {why} {', '.join(shown[:SHOWN_OPERATORS])}{more}.",
        hint="Loosen --keep-float, or emit float32." if keep_float else "Emit it in float32, or in float16.",
    )


def require_no_loops(content: bytes, target: Target) -> None:
    """Refuse a file whose operators run further graphs, as a recurrent layer's loop does.

    Nothing calibrates those, and ONNX files are made of one graph.
    """
    from ai_edge_litert import schema_py_generated as schema

    if schema.Model.GetRootAs(content, 0).SubgraphsLength() == 1:
        return
    editor = Editor(content)
    loops = [operator for operator in editor.graph.operators if editor.kind(operator) in CONTROL_FLOW]
    layers = dict.fromkeys((layer_of(editor.name(loop.outputs[0])), editor.kind(loop)) for loop in loops)
    listed = ", ".join(f"'{name}' ({kind})" for name, kind in layers)
    raise ConversionError(
        f"{target} cannot be made of loops or conditions, as these layers are in TFLite: {listed}.",
        hint="Use tflite:float32, float16 or dynamic, or build the recurrent layers with unroll=True.",
    )


def layer_of(tensor: str) -> str:
    """Return the layer in a tensor's name, "model/layer/Op;...": the part behind the model's in the longest path."""
    path = max(tensor.split(";"), key=lambda path: path.count("/")).split("/")
    return path[1] if len(path) > 2 else path[0]


def _ranges(
    content: bytes,
    target: Target,
    recipe: Any,
    calibration: Calibration | None,
    given: Mapping[str, tuple[float, float]],
) -> Any:
    """Return the least and greatest value of every tensor: what is given, else over all samples."""
    graph = parse_graph(content)
    known = {}
    for tensor in (graph.tensors[index] for index in (*graph.inputs, *graph.producers)):
        if tensor.name in given:
            ends = (np.full([1] * len(tensor.shape), end, np.float32) for end in given[tensor.name])
            known[tensor.name] = dict(zip(("min", "max"), ends, strict=True))
    if len(known) == len({*graph.inputs, *graph.producers}):
        return known
    return _observed(content, target, recipe, calibration) | known


def observed_ranges(content: bytes, calibration: Calibration) -> dict[str, tuple[float, float]]:
    """Return the least and the greatest value of each tensor that an int8 file of a float file may need."""
    target = Target("tflite", "int8")
    with quiet():
        found = _observed(take_off(content)[0], target, _recipe(target, "", ("ALL_SUPPORTED",)), calibration)
    return {name: (float(ends["min"].min()), float(ends["max"].max())) for name, ends in found.items()}


def _observed(content: bytes, target: Target, recipe: Any, calibration: Calibration | None) -> Any:
    """Return the least and greatest value of every tensor over all samples.

    The quantizer's own default averages the ranges of single samples, newest first: activations beyond the mean
    range are then cut off. The runtime's own profiler finds the ranges nine times as fast as reading every tensor
    does; what it cannot see (it knows one subgraph) is read.
    """
    from ai_edge_quantizer.calibrator import CalibrationMode, Calibrator
    from ai_edge_quantizer.utils import qsv_utils

    samples = _samples(content, target, calibration)
    whole = with_unread_as_outputs(content)

    def observed(mode: CalibrationMode, samples: list[dict[str, np.ndarray]]) -> Any:
        observer = Calibrator(whole, num_threads=1, mode=mode, qsv_update_func=qsv_utils.min_max_update)
        observer.calibrate({SIGNATURE: samples}, recipe)
        return observer.get_model_qsvs()

    needed = observed(CalibrationMode.CALIBRATION_PRESERVE_ALL_TENSORS, samples[:1])
    try:
        found = observed(CalibrationMode.CALIBRATION_PROFILER_BASED, samples)
    except RuntimeError:  # XNNPACK cannot prepare every graph so
        found = {}
    if all(name in found and _holds(found[name], needed[name]) for name in needed):
        return {name: single | _like(found[name], single) for name, single in needed.items()}
    return observed(CalibrationMode.CALIBRATION_PRESERVE_ALL_TENSORS, samples)


def _require_finite(ranges: Any, target: Target) -> None:
    infinite = [name for name, ends in ranges.items() if not all(np.isfinite(each).all() for each in ends.values())]
    if infinite:
        raise ConversionError(
            f"'{layer_of(infinite[0])}' computes numbers that are not finite from the calibration samples, so that it "
            f"has no scale in {target.precision}.",
            hint="Calibrate with samples as the model sees them; or a layer up to there overflows or divides by zero.",
        )


def _holds(found: dict[str, np.ndarray], single: dict[str, np.ndarray]) -> bool:
    """Whether a range over all samples holds that of one of them."""
    low, high = float(found["min"].min()), float(found["max"].max())
    return low <= float(single["min"].min()) and float(single["max"].max()) <= high


def _like(found: dict[str, np.ndarray], single: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A range in the form of another."""
    return {end: found[end].astype(single[end].dtype).reshape(single[end].shape) for end in ("min", "max")}


def _recipe(target: Target, keep_float: str, operators: tuple[str, ...]) -> Any:
    from ai_edge_quantizer import qtyping, recipe_manager
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    names = qtyping.TFLOperationName
    recipe = recipe_manager.RecipeManager()
    for operator in (getattr(names, name) for name in operators):
        if target.precision == "float16":
            recipe.add_weight_only_config(
                regex=".*", operation_name=operator, num_bits=16, algorithm_key=AlgorithmName.FLOAT_CASTING
            )
        elif target.precision == "dynamic":
            recipe.add_dynamic_config(regex=".*", operation_name=operator, num_bits=8)
        else:
            bits = 16 if target.precision == "int16x8" else 8
            recipe.add_static_config(regex=".*", operation_name=operator, activation_num_bits=bits, weight_num_bits=8)
    if target.precision in NEED_CALIBRATION:
        for boundary in (names.INPUT, names.OUTPUT):
            recipe.add_quantization_config(regex=".*", operation_name=boundary, algorithm_key=AlgorithmName.NO_QUANTIZE)
    if keep_float:
        recipe.add_quantization_config(
            regex=layer_pattern(keep_float),
            operation_name=names.ALL_SUPPORTED,
            algorithm_key=AlgorithmName.NO_QUANTIZE,
        )
    return recipe


def layer_pattern(layers: str) -> str:
    """Return a pattern for tensor names, "model/layer/Op;model/other_layer/Op", out of one for layer names."""
    return rf"(.*[/;])?({layers})([/;].*)?$"


def _samples(content: bytes, target: Target, calibration: Calibration | None) -> list[dict[str, np.ndarray]]:
    if not calibration:
        raise ConversionError(
            f"{target} needs example inputs to find the ranges of its activations.",
            hint="Give some with --calibrate, such as --calibrate folder:images:200.",
        )
    graph = parse_graph(content)
    if len(calibration) != len(graph.inputs):
        raise ConversionError(
            f"Calibration has arrays for {len(calibration)} inputs; the model has {len(graph.inputs)}.",
            hint="Give an archive with an array for each input, named as the input is: --calibrate npz:inputs.npz.",
        )
    names = [graph.tensors[index].name for index in graph.inputs]
    for array, index in zip(calibration, graph.inputs, strict=True):
        tensor = graph.tensors[index]
        if array.shape[1:] != tensor.shape[1:]:
            raise ConversionError(
                f"The calibration inputs have the shape {array.shape[1:]}; '{tensor.name}' takes {tensor.shape[1:]}.",
                hint="Calibrate with data of the size that the model was made for.",
            )
        if array.dtype != tensor.dtype:
            raise ConversionError(
                f"The calibration inputs are of {array.dtype}; '{tensor.name}' takes {tensor.dtype}.",
                hint="Calibrate with data of the type that the model was made for.",
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ConversionError(f"The calibration inputs for '{tensor.name}' hold numbers that are not finite.")
    return [
        {name: array[sample : sample + 1] for name, array in zip(names, calibration, strict=True)}
        for sample in range(len(calibration[0]))
    ]
