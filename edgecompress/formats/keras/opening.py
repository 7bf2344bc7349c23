"""Opens `.h5` and `.keras` files with h5py and zipfile, with bounds that are checked before anything is read.

HDF5 itself can loop for ever on a damaged file (seen), so use `file`, or call its `check_keras` first.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecompress.errors import EdgeCompressError, ModelFileError
from edgecompress.formats.keras.store import NamedWeights, NumberedWeights, WeightStore, child

MAX_FILE_BYTES = 2**32
MAX_CONFIG_BYTES = 2**25
MAX_WEIGHTS_BYTES = 2**31
MAX_INFLATION = 200  # unpacked over packed bytes; Keras itself packs nothing
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_ZIP_SIGNATURE = b"PK\x03\x04"
_DAMAGE = (
    *(OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error),
    *(RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError),  # from h5py
)


@dataclass(frozen=True)
class KerasFile:
    """An open model file: its config if it has one, its weights, and what it says about itself."""

    format: str  # "keras_h5", "keras"
    config: dict[str, Any] | None  # None: the file holds weights only
    weights: WeightStore
    metadata: dict[str, str]


@contextmanager
def open_keras(path: Path) -> Iterator[KerasFile]:
    """Open a model or weight file (`.h5`, `.weights.h5`, `.keras`), told apart by content.

    Raises:
        ModelFileError: the file is none of these, or anything goes wrong while it is read in this context.
    """
    signature = _signature(path)
    try:
        with _archive(path) if signature.startswith(_ZIP_SIGNATURE) else _hdf5(path) as stored:
            yield stored
    except EdgeCompressError as error:
        raise type(error)(f"{path}: {error.message}", hint=error.hint) from error
    except _DAMAGE as error:
        raise ModelFileError(
            f"{path} is damaged or cut short: {type(error).__name__}: {error!s:.200}.",
            hint="Save or copy the model again.",
        ) from error


def _signature(path: Path) -> bytes:
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise ModelFileError(f"A .h5 or .keras file was expected; {path} {found}.")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ModelFileError(f"{path} has {path.stat().st_size} bytes; at most {MAX_FILE_BYTES} are read.")
    with path.open("rb") as file:
        signature = file.read(len(_HDF5_SIGNATURE))
    if signature != _HDF5_SIGNATURE and not signature.startswith(_ZIP_SIGNATURE):
        raise ModelFileError(
            f"{path} is neither HDF5 (.h5) nor a zip archive (.keras); it begins with {signature!r}.",
            hint="Save the model with model.save('model.keras').",
        )
    return signature


@contextmanager
def _hdf5(path: Path) -> Iterator[KerasFile]:
    import h5py

    with h5py.File(path, "r") as root:
        texts = {name: _text(root, name) for name in ("keras_version", "backend", "model_config", "training_config")}
        config = texts.pop("model_config")
        compiled = texts.pop("training_config")
        metadata = {name: text[:200] for name, text in texts.items() if text is not None}
        metadata |= _loss(_config(compiled)) if compiled is not None else {}
        group = child(root, "model_weights")
        numbered = group is None and child(root, "layers") is not None
        weights = NumberedWeights(root) if numbered else NamedWeights(group or root)
        yield KerasFile("keras_h5", None if config is None else _config(config), weights, metadata)


def _text(root: Any, name: str) -> str | None:
    """Return a scalar attribute as text; an array could name one long string many times over."""
    if name not in root.attrs:
        return None
    if root.attrs.get_id(name).shape != ():
        raise ModelFileError(f"The attribute {name!r} is not one string.")
    value = root.attrs[name]
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


@contextmanager
def _archive(path: Path) -> Iterator[KerasFile]:
    import h5py

    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "model.weights.h5"
        with zipfile.ZipFile(path) as archive:
            config = _config(archive.read(_entry(archive, "config.json", MAX_CONFIG_BYTES)))
            about = _config(archive.read(_entry(archive, "metadata.json", MAX_CONFIG_BYTES)))
            with archive.open(_entry(archive, weights.name, MAX_WEIGHTS_BYTES)) as source, weights.open("wb") as copy:
                shutil.copyfileobj(source, copy)
        metadata = {key: str(text)[:200] for key, text in about.items() if key in {"keras_version", "date_saved"}}
        metadata |= _loss(config.get("compile_config"))
        with h5py.File(weights, "r") as root:
            yield KerasFile("keras", config, NumberedWeights(root), metadata)


_USUAL = {"delta": 1.0, "label_smoothing": 0.0, "axis": -1, "ignore_class": None}  # parameters of losses


def _loss(compiled: Any) -> dict[str, str]:
    """The name of the loss that a model was compiled with, as functions are named, where it is a single one."""
    loss = compiled.get("loss") if isinstance(compiled, dict) else None
    if isinstance(loss, dict) and "class_name" not in loss:
        loss = list(loss.values())
    if isinstance(loss, list):
        loss = loss[0] if len(loss) == 1 else None
    if isinstance(loss, dict):
        name, config = loss.get("class_name"), loss.get("config")
        if isinstance(config, dict) and any(config.get(key, value) != value for key, value in _USUAL.items()):
            name = f"{name} of other parameters"
        loss = config if name == "function" else name
    if not isinstance(loss, str) or not loss:
        return {}
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", loss.rpartition(">")[2])  # "Package>MyLoss" is a custom one
    return {"loss": words.lower()[:200]}


def _entry(archive: zipfile.ZipFile, name: str, limit_bytes: int) -> zipfile.ZipInfo:
    try:
        entry = archive.getinfo(name)
    except KeyError:
        raise ModelFileError(f"The archive holds no {name}, which every .keras file has.") from None
    if entry.file_size > min(limit_bytes, MAX_INFLATION * entry.compress_size + MAX_CONFIG_BYTES):
        raise ModelFileError(
            f"{name} would unpack from {entry.compress_size} to {entry.file_size} bytes, which is beyond any model's."
        )
    return entry


def _config(text: str | bytes) -> dict[str, Any]:
    if len(text) > MAX_CONFIG_BYTES:
        raise ModelFileError(f"The model config has {len(text)} bytes; at most {MAX_CONFIG_BYTES} are read.")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"The model config is not valid JSON: {error!s:.200}.") from error
    if not isinstance(config, dict):
        raise ModelFileError("The model config is not a JSON object.")
    return config
