"""The values of an ONNX graph that is written or edited: their names, each once, and its constants."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from onnx import TensorProto, numpy_helper


class Names:
    """Names that are taken, and the last number that was put behind each."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._last = dict.fromkeys(taken, 0)

    def take(self, name: str) -> None:
        """Take a name as it is, whether or not it was taken before."""
        self._last.setdefault(name, 0)

    def claim(self, name: str) -> str:
        """Take the name, or the first of `name_1`, `name_2`, ... that is free; return it."""
        free = name
        while free in self._last:
            self._last[name] += 1
            free = f"{name}_{self._last[name]}"
        self._last[free] = 0
        return free


class Constants:
    """The constants of a graph by their names; of those that are stored, equal ones are kept once."""

    def __init__(self, names: Names, protos: Iterable[TensorProto] = ()) -> None:
        self.protos = {proto.name: proto for proto in protos}
        self._names = names
        self._equal: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def add(self, array: np.ndarray, name: str) -> str:
        """Add a constant that is nobody else's; return its name."""
        name = self._names.claim(name)
        self.protos[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
        return name

    def store(self, array: np.ndarray, name: str) -> str:
        """Return the name of the constant, or of the one of equal contents that was stored before."""
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._equal:
            self._equal[key] = self.add(array, name)
        return self._equal[key]
