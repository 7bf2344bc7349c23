"""Where the two kinds of Keras weight file keep the arrays of a layer.

`.h5` has a group for each outermost layer, with named variables below it. `model.weights.h5` of `.keras` has a group
for each object, named by class and order, with its variables numbered. Only hard links inside the file are followed:
soft, external and virtual storage could name other files. No array is read before its size was checked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from edgecompress.errors import ModelFileError
from edgecompress.formats.keras.walk import ConfigLayer

KERNELS = {"kernel", "depthwise_kernel", "pointwise_kernel", "recurrent_kernel", "embeddings"}
_NOT_TRAINED = {"moving_mean", "moving_variance", "mean", "variance", "count", "seed_generator_state"}
_NOT_TRAINED |= {"mask", "threshold", "pruning_step", "optimizer_step"}
_BFLOAT16 = np.dtype("V2")  # as h5py stores it: two bytes without a meaning
MAX_OBJECTS = 100_000
MAX_DEPTH = 32
MAX_ARRAY_BYTES = 2**29
MAX_TOTAL_BYTES = 2**31


class WeightStore(ABC):
    """The weights of a file, found for the layers of a config."""

    def __init__(self, root: Any) -> None:
        self.root = root  # an h5py.Group
        self._claimed: set[str] = set()
        self._read_bytes = 0
        self.read_elements = 0  # of all arrays that were read

    @abstractmethod
    def variables(self, layer: ConfigLayer) -> list[tuple[str, Any]]:
        """Return (name or number, h5py.Dataset) of what the file holds for a layer."""

    def kernels(self, layer: ConfigLayer) -> list[Any]:
        """Return the datasets of a layer's kernels; none if the file keeps them in a way that is not known.

        Raises:
            ModelFileError: the layer's weights are there, but none has the shape that the config implies.
        """
        variables = [(name, data) for name, data in self.variables(layer) if data.name not in self._claimed]
        candidates = [data for name, data in variables if name in KERNELS or name.isdigit()]
        if layer.kernels is None:
            return [data for name, data in variables if name in KERNELS]
        found = []
        for shape in layer.kernels:
            match = next((data for data in candidates if data.shape == shape), None)
            if match is None and variables and all(data.dtype.kind == "f" for _, data in variables):
                raise ModelFileError(
                    f"Layer {layer.summary.name!r} needs a kernel of shape {list(shape)}; "
                    f"the file holds {[list(data.shape) for data in candidates[:4]]}.",
                    hint="The file is damaged, or its config and its weights come from different models.",
                )
            if match is not None:
                candidates.remove(match)
                self._claimed.add(match.name)
                found.append(match)
        return found

    def trained_elements(self, layer: ConfigLayer) -> int:
        """Count the elements of a layer's variables, without the statistics that can be told by name."""
        named = ((name, data) for name, data in self.variables(layer) if name not in _NOT_TRAINED)
        return sum(data.size for name, data in named if not name.endswith(("_min", "_max")))

    def everything(self) -> Iterator[Any]:
        """Yield every dataset of the file."""
        return (data for _, data in _datasets(self.root))

    def read(self, data: Any) -> np.ndarray:
        """Read one array, after checking its type, its storage and its size; bfloat16 becomes float32."""
        if data.dtype.kind not in "fiub" and data.dtype != _BFLOAT16:
            raise ModelFileError(f"The weight {data.name!r} has the type {data.dtype}; numbers were expected.")
        if data.is_virtual or data.external:
            raise ModelFileError(f"The weight {data.name!r} is kept outside the file, which is not followed.")
        chunk = int(np.prod(data.chunks or (), dtype=object)) * data.dtype.itemsize
        self._read_bytes += data.nbytes
        if max(data.nbytes, chunk) > MAX_ARRAY_BYTES or self._read_bytes > MAX_TOTAL_BYTES:
            raise ModelFileError(
                f"The weight {data.name!r} has {data.nbytes} bytes; at most {MAX_ARRAY_BYTES} for one weight "
                f"and {MAX_TOTAL_BYTES} for all are read."
            )
        self.read_elements += data.size
        if data.dtype == _BFLOAT16:
            return np.asarray(np.asarray(data[()]).view("<u2").astype(np.uint32) << 16).view(np.float32)
        return data[()]


class NamedWeights(WeightStore):
    """The layout of `.h5`: `model_weights/<outermost layer>/.../<layer>/kernel:0`."""

    def __init__(self, root: Any) -> None:
        super().__init__(root)
        self._groups: dict[str, list[tuple[list[str], Any]]] = {}

    def variables(self, layer: ConfigLayer) -> list[tuple[str, Any]]:
        """Return (name, dataset) of the layer, by name."""
        if layer.group not in self._groups:
            group = child(self.root, layer.group)
            self._groups[layer.group] = list(_datasets(group)) if group is not None else []
        return [
            (path[-1].partition(":")[0], data)
            for path, data in self._groups[layer.group]
            if not layer.nested or any(f"/{owner}/" in f"/{'/'.join(path)}" for owner in layer.owners)
        ]


class NumberedWeights(WeightStore):
    """The layout of `model.weights.h5`: `layers/<class>_<number>/vars/0`."""

    def variables(self, layer: ConfigLayer) -> list[tuple[str, Any]]:
        """Return (number, dataset) of the layer, and after it those of its wrappers, by number."""
        found = []
        layers = "layers" if child(self.root, "layers") else "_layer_checkpoint_dependencies"  # the latter: Keras 2.12
        for container in layer.containers:
            group = child(self.root, container.replace("layers", layers))
            if group is None:
                continue
            if layer.kernels is None and container == layer.containers[0]:  # unknown parts may lie deeper
                deep = [(names[-1], data) for names, data in _datasets(group) if "seed_generator" not in names]
                return sorted(deep, key=lambda item: item[1].name)
            numbered = child(group, "vars")
            stored = [] if numbered is None else [(path[0], data) for path, data in _datasets(numbered)]
            found += sorted((item for item in stored if item[0].isdigit()), key=lambda item: int(item[0]))
        return found


def child(group: Any, path: str) -> Any | None:
    """Follow hard links from group to group; None if there is no such group."""
    import h5py

    for name in path.split("/"):
        if not name or group.get(name, getclass=True, getlink=True) is not h5py.HardLink:
            return None
        group = group[name]
        if not isinstance(group, h5py.Group):
            return None
    return group


def _datasets(group: Any) -> Iterator[tuple[list[str], Any]]:
    """Yield (path below the group, dataset), in the order of names, over hard links only."""
    import h5py

    pending: list[tuple[list[str], Any]] = [([], group)]
    seen = 0
    while pending:
        path, item = pending.pop()
        if isinstance(item, h5py.Dataset):
            if item.shape is not None:
                yield path, item
            continue
        if not isinstance(item, h5py.Group):
            continue
        names = [
            name for name in islice(item, MAX_OBJECTS) if item.get(name, getclass=True, getlink=True) is h5py.HardLink
        ]
        seen += len(names)
        if seen > MAX_OBJECTS or len(path) > MAX_DEPTH:
            raise ModelFileError(f"The weights are nested too deeply, or are more than {MAX_OBJECTS}.")
        pending += [([*path, name], item[name]) for name in reversed(names)]
