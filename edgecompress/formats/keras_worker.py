"""The child process of `keras_file`, `python -m edgecompress.formats.keras_worker summary|copy|check FILE`.

A damaged file may exhaust, crash or hang the HDF5 library, so that it is read in a process that can be given up.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.errors import EdgeCompressError, ModelFileError
from edgecompress.formats.keras_code import judge
from edgecompress.formats.keras_config import summarize_config
from edgecompress.formats.keras_copy import write_copy
from edgecompress.formats.keras_open import KerasFile, open_keras
from edgecompress.formats.keras_store import WeightStore
from edgecompress.formats.keras_walk import ConfigLayer
from edgecompress.formats.summary import LayerSummary, ModelSummary

MIN_ADDRESS_SPACE_BYTES = 2 << 30  # Python, NumPy and h5py need a tenth of it


def summary(stored: KerasFile) -> dict[str, Any]:
    """Summarize a file as a `ModelSummary`."""
    config = _required_config(stored)
    found = summarize_config(config)
    layers = tuple(_with_weights(layer, stored.weights) for layer in found.layers)
    metadata = {"model_class": str(config["class_name"]), "model_name": found.name, **stored.metadata}
    return asdict(ModelSummary(stored.format, found.inputs, found.outputs, layers, metadata))


def copy(stored: KerasFile, folder: str) -> dict[str, Any]:
    """Say what of the config is code and which Keras wrote it; if none is, write a copy into the folder."""
    config, code = judge(_required_config(stored))
    path = None if code else str(write_copy(stored, config, Path(folder)))
    return {
        "code": [asdict(each) for each in code],
        "keras_version": stored.metadata.get("keras_version", ""),
        "path": path,
    }


def check(stored: KerasFile) -> None:
    """Read every weight."""
    for data in stored.weights.everything():
        stored.weights.read(data)


REQUESTS: dict[str, Callable[..., Any]] = {"summary": summary, "copy": copy, "check": check}


def main() -> None:
    """Print the answer to a request, or what is wrong with the file and what to try, as JSON."""
    _limit_resources()
    request, path, arguments = REQUESTS[sys.argv[1]], Path(sys.argv[2]), sys.argv[3:]
    try:
        with open_keras(path) as stored:
            answer = {"answer": request(stored, *arguments)}
    except EdgeCompressError as error:
        answer = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
    json.dump(answer, sys.stdout)


def _limit_resources() -> None:
    physical_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = {resource.RLIMIT_AS: max(physical_bytes // 2, MIN_ADDRESS_SPACE_BYTES), resource.RLIMIT_CORE: 0}
    for what, limit in limits.items():
        hard = resource.getrlimit(what)[1]
        lower = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (lower, lower))


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
    return found if layer.kernels is not None else replace(found, parameters=weights.trained_elements(layer))


if __name__ == "__main__":
    main()
