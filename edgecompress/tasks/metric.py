"""A user's own measure of how right a network is: a function in a Python file."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.errors import DataError, UntrustedCodeError

GROUPS = 20  # of samples, each left out once
_HINT = "It takes labels and outputs (N, ...), and returns a number, or one a sample, of which larger ones are better."


@dataclass(frozen=True)
class Metric:
    """A function of labels and outputs, whose result is better the larger it is."""

    name: str
    function: Callable[[np.ndarray, np.ndarray], Any]

    def __call__(self, outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return what it says of each sample (N,), or, of a number for all of them, pseudo-values (G,) with that mean.

        With groups g of samples left out, these are `G m - (G - 1) m_g`, shifted to the mean m: the jackknife (Tukey,
        Annals of Mathematical Statistics 29, 1958, 614), which makes of a statistic values that are about independent.

        Raises:
            DataError: the function fails, or returns something else.
        """
        found = self._of(labels, outputs)
        if found.shape == (len(labels),) and len(labels) > 1:
            return found if found.dtype == bool else found.astype(np.float64)
        if found.size != 1:
            raise DataError(f"The metric '{self.name}' returned {found.shape} for {len(labels)} samples.", hint=_HINT)
        whole, groups = float(found.reshape(())), min(GROUPS, len(labels))
        parts = np.arange(len(labels)) % groups  # in turn, as the order of samples may be that of classes
        if groups < 2:
            return np.array([whole])
        left = [self._of(labels[parts != each], outputs[parts != each]) for each in range(groups)]
        values = groups * whole - (groups - 1) * np.array([float(each.reshape(())) for each in left])
        return values - values.mean() + whole

    def _of(self, labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        try:
            found = np.asarray(self.function(labels, outputs))
            found = found if found.dtype == bool else found.astype(np.float64)
        except Exception as error:  # whatever the user's code raises
            said = (str(error).strip().splitlines() or ["nothing"])[0]
            raise DataError(
                f"The metric '{self.name}' failed: {type(error).__name__}: {said:.200}.", hint=_HINT
            ) from error
        if not np.isfinite(found).all():
            raise DataError(
                f"The metric '{self.name}' is not a number for {len(labels)} of the samples.",
                hint="It is also asked of these without a twentieth of them; return a number where there is none.",
            )
        return found


def load_metric(text: str, *, trust: bool) -> Metric:
    """Run the file of `FILE.py:function`, and return the function.

    Raises:
        DataError: no such file or function, or the file fails.
        UntrustedCodeError: without `trust`, as it is code.
    """
    place, _, name = text.rpartition(":")
    path = Path(place)
    if not place or not name.isidentifier():
        raise DataError(f"Expected FILE.py:function for a metric; got {text!r}.", hint=_HINT)
    if not path.is_file():
        raise DataError(f"There is no file '{path}'.", hint=_HINT)
    if not trust:
        raise UntrustedCodeError(f"'{path}' is code, which would run on this machine.", hint="Say --trust to run it.")
    spec = importlib.util.spec_from_file_location(f"edgecompress_metric_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise DataError(f"'{path}' is no Python file.", hint=_HINT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses in it look themselves up
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's code raises
        said = (str(error).strip().splitlines() or ["nothing"])[0]
        raise DataError(f"'{path}' failed: {type(error).__name__}: {said:.200}.", hint="Run it with Python.") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise DataError(f"'{path}' has no function '{name}'.", hint=_HINT)
    return Metric(name, function)
