"""Methods that TF-MOT does, and that are done natively, on the Keras 3 model itself, where it cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from textwrap import shorten

from edgecompress.errors import MethodError
from edgecompress.keras_bridge.kernels import NAMES
from edgecompress.keras_types import Layer
from edgecompress.methods.protocol import LEFT_ALONE, LayerFilter, Model, Prepared
from edgecompress.values import LayerNote

MOST_CHARACTERS = 160  # of a reason: TF-MOT's hold whole weights


def by_engine(
    engine: str,
    *,
    by_tfmot: Callable[[], Prepared],
    natively: Callable[[str], Prepared],
    uncovered: Callable[[Prepared], str],
) -> Prepared:
    """Return what the engine prepares; "auto" is TF-MOT where it can and nothing is `uncovered`, and native otherwise.

    `natively` is given the reason why it is not TF-MOT, '' where it was asked for.

    Raises:
        MethodError: the engine cannot.
    """
    if engine == "native":
        return natively("")
    try:
        prepared = by_tfmot()
    except MethodError as error:
        if engine == "tf-mot":
            raise
        return natively(shorten(error.message, MOST_CHARACTERS, placeholder=" ..."))
    why = "" if engine == "tf-mot" else uncovered(prepared)
    return natively(why) if why else prepared


def first_uncovered(prepared: Prepared, model: Model, chosen: LayerFilter, unfit: Callable[[Layer], str]) -> str:
    """Return the first layer that TF-MOT leaves alone and `unfit` has no reason against, with TF-MOT's; '' for none."""
    fit = {layer.name for layer in model.layers if names_of_kernels(layer, "auto") and chosen(layer.name)}
    for note in prepared.notes:
        if note.action in LEFT_ALONE and note.layer in fit and not unfit(model.get_layer(note.layer)):
            return f"{note.layer}: {note.reason}"
    return ""


def names_of_kernels(layer: Layer, engine: str) -> tuple[str, ...]:
    """Return the names of the kernels that are treated natively: all of them where the engine is "native".

    In the place of TF-MOT, depthwise kernels are left alone as TF-MOT leaves them, so that one method does not treat
    other kernels in one network than in the next.
    """
    names = tuple(name for name in NAMES if getattr(layer, name, None) is not None)
    if engine == "native":
        return names
    return () if "Depthwise" in type(layer).__name__ else tuple(name for name in names if name != "depthwise_kernel")


def depthwise(layer: Layer, engine: str) -> str:
    """Return why no kernel of a layer is treated, or ''."""
    kind = type(layer).__name__
    untreated = f'each channel has few weights of its own in a {kind}; engine="native" treats it'
    return "" if names_of_kernels(layer, engine) else untreated


def told(notes: Sequence[LayerNote], why: str) -> tuple[LayerNote, ...]:
    """Return the notes, those on treated layers with the reason why it is not TF-MOT that treats them."""
    return tuple(
        replace(note, reason=f"natively: {why}") if why and note.action not in LEFT_ALONE else note for note in notes
    )
