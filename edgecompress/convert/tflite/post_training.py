"""Post-training quantization of a float TFLite file by ai-edge-quantizer."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.convert.targets import Target
from edgecompress.convert.tflite.annotate import SIGNATURE
from edgecompress.errors import ConversionError
from edgecompress.quiet import quiet

NEED_CALIBRATION = ("int8", "int16x8")


def quantize(
    content: bytes,
    target: Target,
    *,
    calibration: np.ndarray | None,
    keep_float: str = "",
    operators: tuple[str, ...] = ("ALL_SUPPORTED",),
) -> bytes:
    """Return the float file in the target's precision, with float32 inputs and outputs.

    `calibration` holds preprocessed inputs, N x the input's shape without its batch axis; float16 and dynamic need
    none.
    Layers whose name matches `keep_float` are left as they are, as are all operators but those of the kinds named.

    Raises:
        ConversionError: calibration inputs are needed and missing, or of another shape; nothing can be quantized.
    """
    from ai_edge_quantizer import quantizer

    recipe = _recipe(target, keep_float, operators)
    with quiet():
        try:
            job = quantizer.Quantizer(content, recipe.get_quantization_recipe())
            ranges = _ranges(content, target, recipe, calibration) if job.need_calibration else None
            if ranges is not None and not ranges:
                raise ConversionError(
                    f"Nothing is left to compute in {target.precision}.", hint="Loosen --keep-float, or emit float32."
                )
            result = job.quantize(ranges)
        except (ValueError, RuntimeError, NotImplementedError) as error:
            raise ConversionError(
                f"ai-edge-quantizer refused the model for {target}: {str(error).splitlines()[0]}",
                hint="Leave the layer that it names out with --keep-float.",
            ) from error
        with tempfile.TemporaryDirectory() as folder:
            # The bytes in memory lack the constants that stand behind the flatbuffer in the file.
            path = Path(folder) / "quantized.tflite"
            result.export_model(str(path))
            return path.read_bytes()


def _ranges(content: bytes, target: Target, recipe: Any, calibration: np.ndarray | None) -> Any:
    """Return the least and greatest value of every tensor over all samples.

    The quantizer's own default averages the ranges of single samples, newest first: activations beyond the mean
    range are then cut off.
    """
    from ai_edge_quantizer import calibrator
    from ai_edge_quantizer.utils import qsv_utils

    observer = calibrator.Calibrator(content, num_threads=1, qsv_update_func=qsv_utils.min_max_update)
    observer.calibrate({SIGNATURE: _samples(content, target, calibration)}, recipe)
    return observer.get_model_qsvs()


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
        for door in (names.INPUT, names.OUTPUT):
            recipe.add_quantization_config(regex=".*", operation_name=door, algorithm_key=AlgorithmName.NO_QUANTIZE)
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


def _samples(content: bytes, target: Target, calibration: np.ndarray | None) -> list[dict[str, np.ndarray]]:
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(model_content=content).get_signature_runner(SIGNATURE).get_input_details()
    if len(details) != 1:
        raise ConversionError(
            f"{target} needs calibration, which takes models with one input; this one has {len(details)}.",
            hint="Use tflite:dynamic, which needs no calibration.",
        )
    name, shape = next((name, tuple(int(size) for size in detail["shape"])) for name, detail in details.items())
    if calibration is None:
        raise ConversionError(
            f"{target} needs example inputs to find the ranges of its activations.",
            hint="Give some with --calibrate, such as --calibrate folder:images:200.",
        )
    if calibration.ndim != len(shape) or calibration.shape[1:] != shape[1:]:
        raise ConversionError(
            f"The calibration inputs have the shape {calibration.shape[1:]}; '{name}' takes {shape[1:]}.",
            hint="Calibrate with data of the size that the model was made for.",
        )
    return [{name: sample[np.newaxis]} for sample in calibration]
