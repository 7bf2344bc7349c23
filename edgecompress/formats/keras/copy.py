"""Writes a model file anew with what was checked of it, so that Keras reads that and nothing else.

A file can show one config to one reader and another to the next: HDF5 behind a zip archive, or in front of one. Its
links, its virtual and its external arrays name other files, and an archive may hold more than Keras needs. The copy has
none of it: a config, a version, and arrays.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.errors import ModelFileError
from edgecompress.formats.keras.opening import KerasFile
from edgecompress.formats.keras.store import MAX_DEPTH, MAX_OBJECTS, WeightStore, child

_MAX_ATTRIBUTE_BYTES = 2**22
_OPTIMIZERS = ("optimizer", "optimizer_weights")  # never loaded, and twice as large as what is


def write_copy(stored: KerasFile, config: dict[str, Any], folder: Path) -> Path:
    """Write a `.h5` or `.keras` file of the same form into a folder, with a config that was checked.

    Raises:
        ModelFileError: a weight is kept outside the file, is no array of numbers, or is beyond a bound.
    """
    import h5py

    version = stored.metadata.get("keras_version", "")
    if stored.format == "keras_h5":
        path = folder / "model.h5"
        weights = child(stored.weights.root, "model_weights") or stored.weights.root
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = json.dumps(config).encode()
            file.attrs["keras_version"] = version
            file.attrs["backend"] = "tensorflow"
            _copy(weights, file.create_group("model_weights"), stored.weights)
        return path
    path, part = folder / "model.keras", folder / "model.weights.h5"
    with h5py.File(part, "w") as file:
        _copy(stored.weights.root, file, stored.weights)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", json.dumps(config))
        archive.write(part, part.name)
    part.unlink()
    return path


def _copy(source: Any, target: Any, weights: WeightStore) -> None:
    """Copy groups, arrays and their attributes; a group that is linked from two places is copied twice."""
    import h5py

    pending: list[tuple[Any, Any, int]] = [(source, target, 0)]
    seen = 0
    while pending:
        group, copy, depth = pending.pop()
        _copy_attributes(group, copy)
        for name in group:
            seen += 1
            if seen > MAX_OBJECTS or depth > MAX_DEPTH:
                raise ModelFileError(f"The weights are nested too deeply, or are more than {MAX_OBJECTS}.")
            if depth == 0 and name in _OPTIMIZERS:
                continue
            if group.get(name, getclass=True, getlink=True) is not h5py.HardLink:
                raise ModelFileError(
                    f"The weight '{group.name}/{name}' is a link to another place, which is not followed."
                )
            item = group[name]
            if isinstance(item, h5py.Group):
                pending.append((item, copy.create_group(name), depth + 1))
            elif isinstance(item, h5py.Dataset):
                array = h5py.Empty(item.dtype) if item.shape is None else weights.read(item)
                copied = copy.create_dataset(name, data=array)
                _copy_attributes(item, copied)
                if copied.dtype != item.dtype and "dtype" in copied.attrs:  # where Keras 3 notes bfloat16
                    del copied.attrs["dtype"]


def _copy_attributes(source: Any, target: Any) -> None:
    """Copy names of layers and weights, and what else is a text or a number."""
    for name in source.attrs:
        value = source.attrs[name]
        array = np.asarray(value)
        texts = array.ravel().tolist() if array.dtype.kind == "O" else []
        if array.dtype.kind not in "SUOfiub" or not all(isinstance(each, str | bytes) for each in texts):
            continue
        if array.nbytes + sum(map(len, texts)) > _MAX_ATTRIBUTE_BYTES:
            raise ModelFileError(f"The attribute {name[:100]!r} of '{source.name}' is larger than any of Keras's.")
        target.attrs[name] = value
