"""The service of a child process that reads Keras model files: one may exhaust, crash or hang the HDF5 library."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.child.service import Answer, Handler, Request
from edgecompress.errors import ModelFileError
from edgecompress.formats.keras.allowed.code import judge
from edgecompress.formats.keras.config import summarize_config
from edgecompress.formats.keras.copy import write_copy
from edgecompress.formats.keras.opening import KerasFile, open_keras
from edgecompress.formats.keras.store import WeightStore
from edgecompress.formats.keras.walk import ConfigLayer
from edgecompress.formats.summary import LayerSummary, ModelSummary


def summary(request: Request, *, path: str) -> Answer:
    """Summarize a file as a `ModelSummary`."""
    with open_keras(Path(path)) as stored:
        config = _required_config(stored)
        found = summarize_config(config)
        layers = tuple(_with_weights(layer, stored.weights) for layer in found.layers)
        metadata = {"model_class": str(config["class_name"]), "model_name": found.name, **stored.metadata}
        return asdict(ModelSummary(stored.format, found.inputs, found.outputs, layers, metadata)), []


def copy(request: Request, *, path: str, folder: str) -> Answer:
    """Say what of the config is code and which Keras wrote it; if none is, write a copy into the folder."""
    with open_keras(Path(path)) as stored:
        config, code = judge(_required_config(stored))
        written = None if code else write_copy(stored, config, Path(folder)).name
        version = stored.metadata.get("keras_version", "")
        return {
            "code": [asdict(each) for each in code],
            "keras_version": version,
            "name": written,
            "elements": stored.weights.read_elements if written else None,
        }, []


def check(request: Request, *, path: str) -> Answer:
    """Read every weight."""
    with open_keras(Path(path)) as stored:
        for data in stored.weights.everything():
            stored.weights.read(data)
    return None, []


REQUESTS: dict[str, Handler] = {"summary": summary, "copy": copy, "check": check}


def _required_config(stored: KerasFile) -> dict[str, Any]:
    if stored.config is None:
        raise ModelFileError(
            "The file holds weights only: it has no model_config, so the layers are not known.",
            hint="Save the whole model with model.save(...), or load these weights into an architecture of the zoo.",
        )
    return stored.config


def _with_weights(layer: ConfigLayer, weights: WeightStore) -> LayerSummary:
    """Add what the stored kernels say; a layer that no rule knows gets its parameters from the file too."""
    arrays = (weights.read(data) for data in weights.kernels(layer))
    bits, elements, zeros = None, 0, 0
    for array in arrays:  # one at a time
        bits = array.dtype.itemsize * 8
        elements += array.size
        zeros += array.size - int(np.count_nonzero(array))
    found = replace(layer.summary, weight_bits=bits, weights=elements, zero_weights=zeros)
    if layer.kernels is not None:
        return found
    parameters = weights.trained_elements(layer)
    return replace(found, parameters=parameters, uncounted=parameters > 0 and not found.multiply_adds)
