"""Which layers of a Keras config carry code, or name code to be imported, without running any of it."""

from __future__ import annotations

from typing import Any

from edgecompress.formats.keras_config import check_bounds

_TRUSTED_MODULES = {"builtins", "keras", "tf_keras", "tensorflow", "tensorflow_model_optimization", "edgecompress"}

# Of Larq, which is not imported: edgecompress has stand-ins by these names, which read no more than the names of
# quantizers.
LARQ_CLASSES = (
    "QuantDense", "QuantConv1D", "QuantConv2D", "QuantConv3D", "QuantDepthwiseConv2D", "QuantSeparableConv1D",
    "QuantSeparableConv2D", "QuantConv2DTranspose", "QuantConv3DTranspose", "QuantLocallyConnected1D",
    "QuantLocallyConnected2D", "SteSign", "ApproxSign", "SwishSign", "MagnitudeAwareSign", "SteTern", "SteHeaviside",
    "DoReFa", "DoReFaQuantizer", "NoOp", "NoOpQuantizer", "WeightClip", "weight_clip",
)  # fmt: skip
LARQ_QUANTIZERS = ("input_quantizer", "kernel_quantizer", "depthwise_quantizer", "pointwise_quantizer")


def code_in(config: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of the layers of a model config that carry code, in the order of the config.

    Code is a Lambda layer, a stored function or the bytecode of one, and an object of a module other than Keras,
    TensorFlow, TF-MOT and edgecompress, because loading imports that module; Larq's classes are known by name.
    TFOpLambda and SlicingOpLambda name TensorFlow functions and carry none. The compile settings and the quantizers of
    Larq's layers are left out: edgecompress does not load them.
    """
    check_bounds(config)
    found: dict[str, None] = {}
    pending: list[tuple[Any, str]] = [(config, "")]
    while pending:
        value, owner = pending.pop()
        if isinstance(value, dict):
            owner = _layer_name(value) or owner
            if _is_code(value):
                found[owner] = None
            children = [child for key, child in value.items() if key != "compile_config"]
            if _is_larqs(value):
                children = [_without_quantizers(child) for child in children]
        else:
            children = list(value) if isinstance(value, list | tuple) else []
        pending += [(child, owner) for child in reversed(children)]
    return tuple(found)


def _layer_name(value: dict[str, Any]) -> str:
    config = value.get("config")
    name = config.get("name") if isinstance(config, dict) and "class_name" in value else None
    return name if isinstance(name, str) else ""


def _is_code(value: dict[str, Any]) -> bool:
    kind = value.get("class_name")
    if not isinstance(kind, str):
        return False
    if kind.rpartition(">")[2] in {"Lambda", "__lambda__", "function"}:
        return True
    if _is_larqs(value):
        return False
    module = value.get("module")
    return isinstance(module, str) and bool(module) and module.partition(".")[0] not in _TRUSTED_MODULES


def _is_larqs(value: dict[str, Any]) -> bool:
    """Return whether Keras takes a stand-in for the object, by whichever of its two names it looks it up."""
    kind = value.get("class_name")
    names = (kind, value.get("registered_name", kind))
    return all(isinstance(name, str) and name.removeprefix("Larq>") in LARQ_CLASSES for name in names)


def _without_quantizers(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: child for key, child in value.items() if key not in LARQ_QUANTIZERS}
