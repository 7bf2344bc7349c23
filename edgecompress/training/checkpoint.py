"""What a training goes on from: the values of all that it changes, and the history, in one file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.errors import TrainingError
from edgecompress.storage import write_bytes

History = list[dict[str, Any]]  # a record an epoch
_PREFIX = "variable_"


def save(variables: Sequence[Any], history: History, path: Path) -> None:
    """Write the values of the variables, and the history, whole."""
    file = io.BytesIO()
    named: dict[str, Any] = {f"{_PREFIX}{index:05}": np.asarray(each) for index, each in enumerate(variables)}
    np.savez(file, **named, history=np.array(json.dumps(history)))
    write_bytes(path, file.getvalue())


def restore(variables: Sequence[Any], path: Path) -> History:
    """Give the variables what `save` wrote, and return the history; an empty one where there is no file.

    Raises:
        TrainingError: the file is damaged, or has other variables; none is changed then.
    """
    if not path.exists():
        return []
    try:
        with np.load(path, allow_pickle=False) as saved:
            names = sorted(name for name in saved.files if name.startswith(_PREFIX))
            values = [saved[name] for name in names]
            history = json.loads(str(saved["history"]))
        if [each.shape for each in values] != [tuple(each.shape) for each in variables]:
            raise ValueError(f"it holds {len(values)} variables of other shapes than the model's {len(variables)}")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise TrainingError(
            f"The checkpoint '{path}' does not fit this model: {error}.",
            hint="It belongs to other settings; train into a new folder, or without --resume.",
        ) from error
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return history
