"""Loading Keras model files, which may carry code, into a child-proof form: read first, refused by name, then built."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecompress.child.kept import kept
from edgecompress.environment import keras_of, load_keras
from edgecompress.errors import ModelFileError, UnsupportedModelError, UntrustedCodeError
from edgecompress.formats.keras.allowed.code import Code
from edgecompress.formats.keras.file import copy_checked, read_keras
from edgecompress.keras_types import Model
from edgecompress.values import LayerNote

REASON_CHARACTERS = 200  # errors may hold whole model configs
SHOWN_LAYERS = 5


@dataclass(frozen=True)
class Loaded:
    """A model, and what was done to it on the way, layer by layer: "unwrapped", "made float32" or "left out"."""

    model: Model
    notes: tuple[LayerNote, ...] = ()


def load_model(path: Path, *, trust: bool = False) -> Any:
    """Return the model of a file as one of Keras 3: a model of Keras 2 is translated, and compared with that.

    Raises:
        EdgeCompressError: see `load_noted`; or a layer of a Keras 2 model has no equal in Keras 3.
    """
    from edgecompress.tfmot.to_keras3.translation import translate

    model = load_noted(path, trust=trust).model
    return model if keras_of(model) is load_keras() else translate(model)[0]


def load_noted(path: Path, *, trust: bool = False) -> Loaded:
    """Load a functional or Sequential model, of the Keras that wrote it, from an `.h5` or `.keras` file.

    What TF-MOT's pruning and clustering left on is taken off, and what computes in 16 or 64 bits does so in 32. A model
    of Keras 2 with binary layers, of Larq or this package, becomes one of Keras 3, which has ours.

    Raises:
        ModelFileError: not such a file, cut short or damaged.
        UntrustedCodeError: it has or names code (see `formats.keras.allowed.code`), and `trust` is not given.
        UnsupportedModelError: subclassed, or with layers that are not Keras's, TF-MOT's, Larq's or this package's.
    """
    from edgecompress.keras_bridge.keras3_file import load_keras3
    from edgecompress.tfmot.keras2_file import load_keras2

    with tempfile.TemporaryDirectory(prefix="edgecompress-") as folder:
        with kept():
            read_keras(path)
            checked = copy_checked(path, Path(folder))
        if checked.code and not trust:
            raise _untrusted(path, checked.code)
        source = Path(folder) / checked.name if checked.name else path
        load = load_keras3 if checked.keras_version.startswith("3") else load_keras2
        try:
            return Loaded(*load(source, path, stored=checked.elements, trust=trust))
        except (OSError, EOFError, zipfile.BadZipFile) as error:
            raise ModelFileError(f"'{path}' cannot be read as a Keras model: {_first_line(error)}") from error


def _untrusted(path: Path, code: Sequence[Code]) -> UntrustedCodeError | UnsupportedModelError:
    """Name the layers and what is in them; trust helps only where there is something to be run."""
    runs = [each for each in code if each.loadable]
    named = "; ".join(f"{each.layer} ({each.what})" for each in (runs or code)[:SHOWN_LAYERS])
    more = f"; and {len(runs or code) - SHOWN_LAYERS} more" if len(runs or code) > SHOWN_LAYERS else ""
    plural = "s" if len(runs or code) > 1 else ""
    if runs:
        return UntrustedCodeError(
            f"'{path}' carries code, or names code to be run, in the layer{plural} {named}{more}. "
            "It would run on this machine.",
            hint="If you trust who made the file, say --trust.",
        )
    return UnsupportedModelError(
        f"'{path}' names what neither Keras nor edgecompress has, in the layer{plural} {named}{more}.",
        hint="Custom layers and functions must be replaced by Keras's own before the model is saved.",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:REASON_CHARACTERS]
