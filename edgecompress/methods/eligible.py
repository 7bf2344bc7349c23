"""Which layers a step treats: those with a kernel that were chosen and fit, with a note on every other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edgecompress.errors import MethodError
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.methods.protocol import LayerFilter, Model
from edgecompress.values import LayerNote


def pick(
    model: Model, chosen: LayerFilter, unfit: Callable[[Any], str], *, action: str, hint: str = "Choose other layers."
) -> tuple[tuple[Any, ...], tuple[LayerNote, ...]]:
    """Return the layers to treat, and a note on each layer with a kernel: `action`, or "skipped" with the reason.

    `unfit` returns why a layer that was chosen is left alone, or ''.

    Raises:
        MethodError: there is nothing to treat; all reasons are told.
    """
    layers = [layer for layer in model.layers if kernels(layer)]
    reasons = [unfit(layer) if chosen(layer.name) else "not chosen" for layer in layers]
    notes = [
        LayerNote(layer.name, "skipped" if reason else action, reason)
        for layer, reason in zip(layers, reasons, strict=True)
    ]
    picked = tuple(layer for layer, reason in zip(layers, reasons, strict=True) if not reason)
    if not picked:
        raise nothing(model, notes, action=action, hint=hint)
    return picked, tuple(notes)


def nothing(model: Model, notes: Sequence[LayerNote], *, action: str, hint: str) -> MethodError:
    """Return the error that tells why no layer can be treated."""
    reasons = "; ".join(f"{note.layer}: {note.reason}" for note in notes) or "it has no kernel"
    return MethodError(f"Nothing in '{model.name}' can be {action} ({reasons}).", hint=hint)


def require_one_input(name: str, model: Model, *, hint: str) -> None:
    """Raise `MethodError` where the method `name` met a network with more than one input, of which images say nothing.

    `hint` says what to do instead.
    """
    if len(model.inputs) != 1:
        raise MethodError(f"{name} needs a network with one input; '{model.name}' has {len(model.inputs)}.", hint=hint)
