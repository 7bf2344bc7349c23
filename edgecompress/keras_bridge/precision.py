"""Models that compute in float16, bfloat16 or float64, rebuilt in float32, in which the emitted files compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from edgecompress.keras_types import Layer, Model
from edgecompress.values import LayerNote

FLOATS = ("float16", "bfloat16", "float64", "half", "double")
MIXED = ("mixed_float16", "mixed_bfloat16")


def in_float32(model: Model, *, layers: Callable[[Model], Iterator[Any]]) -> tuple[Model, tuple[LayerNote, ...]]:
    """Return `model` itself if all its layers compute in float32, else the same network in float32, with notes.

    Works for functional and Sequential models of both Keras. Mixed policies keep their variables in float32 already;
    those of 16 bits are widened exactly, and those of float64 are rounded.
    """
    notes = tuple(
        LayerNote(layer.name, "made float32", f"it computes in {policy}")
        for layer in layers(model)
        if (policy := policy_name(layer)) in FLOATS + MIXED
    )
    if not notes:
        return model, ()
    rebuilt = type(model).from_config(_float32(model.get_config()))
    rebuilt.set_weights([_widened(array) for array in model.get_weights()])
    for layer in layers(rebuilt):
        if hasattr(layer, "finalize_state"):  # of an adapted layer, which computes with constants made of its weights
            layer.finalize_state()
    return rebuilt, notes


def policy_name(layer: Layer) -> str:
    """Return the name of a layer's dtype policy: "float32", "mixed_float16", "int8_from_float32", ..."""
    policy = getattr(layer, "dtype_policy", None)
    return str(getattr(policy, "name", policy))


def _widened(array: Any) -> Any:
    return array.astype("float32") if str(array.dtype) in FLOATS else array


def _float32(config: Any) -> Any:
    """Return a copy of a config in which every floating dtype and dtype policy is float32."""
    if isinstance(config, dict):
        return {key: _float32_type(value) if key == "dtype" else _float32(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_float32(value) for value in config)
    return config


def _float32_type(stored: Any) -> Any:
    """Return float32 for a floating dtype or policy, and what is stored for any other (int32, string, None)."""
    name = stored.get("config", {}).get("name", "") if isinstance(stored, dict) else stored
    kind = stored.get("class_name", "") if isinstance(stored, dict) else ""
    return "float32" if name in FLOATS + MIXED or kind.endswith("PolicyMap") else stored
