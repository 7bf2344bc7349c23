"""Which layers of a Keras config carry code, or name code to be imported, without running any of it."""

from __future__ import annotations

from typing import Any

from edgecompress.formats.keras_config import check_bounds

_TRUSTED_MODULES = {"builtins", "keras", "tf_keras", "tensorflow", "tensorflow_model_optimization", "edgecompress"}


def code_in(config: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of the layers of a model config that carry code, in the order of the config.

    Code is a Lambda layer, a stored function or the bytecode of one, and an object of a module other than Keras,
    TensorFlow, TF-MOT and edgecompress, because loading imports that module. TFOpLambda and SlicingOpLambda name
    TensorFlow functions and carry none. The compile settings are left out: edgecompress does not load them.
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
    module = value.get("module")
    return isinstance(module, str) and bool(module) and module.partition(".")[0] not in _TRUSTED_MODULES
