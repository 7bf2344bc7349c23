"""What a layer of Keras 2 is trained with and Keras 3 has too: its regularizers; the rest is said to be left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgecompress.environment import load_keras
from edgecompress.values import LayerNote

NORMS = {"L1": ("l1",), "L2": ("l2",), "L1L2": ("l1", "l2")}
REGULARIZER, CONSTRAINT, INITIALIZER = "_regularizer", "_constraint", "_initializer"


def is_of_training(key: str) -> bool:
    """Return whether an option says how weights are made or trained, and nothing of what they compute."""
    return key.endswith((REGULARIZER, CONSTRAINT, INITIALIZER))


def training_options(name: str, config: Mapping[str, Any]) -> tuple[dict[str, Any], list[LayerNote]]:
    """Return the options of training that Keras 3 takes, without initializers, and notes of those that are left out."""
    kept: dict[str, Any] = {}
    notes = []
    for key, stored in config.items():
        if stored is None or not key.endswith((REGULARIZER, CONSTRAINT)):
            continue
        if key.endswith(REGULARIZER) and (same := _regularizer(stored)) is not None:
            kept[key] = same
        else:
            what = "regularizer" if key.endswith(REGULARIZER) else "constraint"
            notes.append(LayerNote(name, f"{what} left out", f"its {key} is {_kind(stored)}, and is not translated"))
    return kept, notes


def _regularizer(stored: Any) -> Any:
    kind = _kind(stored)
    if kind not in NORMS or stored.get("registered_name") not in (None, kind):
        return None
    factors = {norm: float(stored["config"].get(norm, 0.0)) for norm in NORMS[kind]}
    return load_keras().regularizers.L1L2(**factors)


def _kind(stored: Any) -> str:
    return str(stored.get("class_name") if isinstance(stored, dict) else type(stored).__name__)
