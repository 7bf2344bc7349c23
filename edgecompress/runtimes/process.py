"""A runtime in a process of its own, so that a file that it refuses, crashes on or hangs on is only an error."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from edgecompress.child.channel import FrameError
from edgecompress.child.kept import are_kept, give_back, take
from edgecompress.child.process import TIMEOUT_S, Child, ChildLost, ChildRefusal, ChildTimeout
from edgecompress.child.service import Service
from edgecompress.errors import ModelFileError, RuntimeRefusal, UnsupportedModelError
from edgecompress.numerics.affine import quantize
from edgecompress.progress import Progress, silent
from edgecompress.runtimes.engines.session import DEFAULT_KERNELS, prepare, runtime_name
from edgecompress.values import QuantScheme, TensorSpec

RUNTIME = Service("edgecompress.runtimes.service", preload=("ai_edge_litert.interpreter", "onnxruntime"))
CHUNK_BYTES = 4 << 20  # of samples at a time: few enough to show progress, enough to hide the round trip
CHUNK_ROWS = 64  # so that one answer stays far from the time limit

Description = tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...], str]  # inputs, outputs, runtime
Result = TypeVar("Result")


class RuntimeProcess:
    """A model loaded in a child process; use it in a `with` statement, which ends the child whatever happens.

    Each call waits for at most `timeout_s`. Raises ModelFileError if there is no such file, RuntimeRefusal if the
    runtime refuses it, crashes on it or gives no answer; after a crash or a hang the child is gone, after a refusal it
    can go on. Raises DeviceError if the file needs kernels that cannot be built. With `plain` the runtime is used as it
    is installed, without kernels of ours; `kernels` is one of LiteRT's families for a TFLite file; with `as_written`
    ONNX Runtime does not optimize an ONNX file.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        timeout_s: float = TIMEOUT_S,
        plain: bool = False,
        kernels: str = DEFAULT_KERNELS,
        as_written: bool = False,
    ) -> None:
        self._name = Path(path).name
        self._family = runtime_name(path)
        if not Path(path).is_file():
            raise ModelFileError(f"There is no file {path}.")
        if not plain:
            prepare(path)
        self._timeout_s = timeout_s
        self._lost: RuntimeRefusal | None = None
        self._child: Child | None = take(RUNTIME)
        self._path = str(Path(path).resolve())
        try:
            opened = self._request(
                "open", path=self._path, plain=plain, kernels=kernels, as_written=as_written, read=_description
            )
        except BaseException:
            self.close()
            raise
        self._inputs, self._outputs, self._runtime = opened

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the child, whatever it is doing, or have it let go of the model where children are kept."""
        child, self._child = self._child, None
        if child is None:
            return
        if self._lost is None and are_kept():
            try:
                child.request("close", timeout_s=self._timeout_s)
            except (ChildLost, ChildRefusal):
                child.end()
        give_back(RUNTIME, child)

    def describe(self) -> Description:
        """Inputs, outputs, and the runtime's name and version."""
        return self._inputs, self._outputs, self._runtime

    def index_bounds(self) -> dict[str, int]:
        """How many rows the tables have that an input is looked up in, by its name; others are left out."""
        return self._request("index_bounds", path=self._path, read=_bounds)

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run one inference on one array an input, in the inputs' own types; the outputs are raw, too."""
        return self._request("run", arrays, read=lambda _, outputs: outputs)

    def run_rows(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run N rows of each input, one after another; what an output gives is joined along its first axis, raw."""
        rows = self._chunk_rows(sum(array[:1].nbytes for array in arrays))
        chunks = []
        for start in range(0, len(arrays[0]), rows):
            chunk = [array[start : start + rows] for array in arrays]
            chunks.append(self._request("run_rows", chunk, read=lambda _, outputs: outputs))
        return [np.concatenate(column) for column in zip(*chunks, strict=True)]

    def run_batch(self, *arrays: np.ndarray, on_progress: Progress = silent) -> np.ndarray:
        """Run real samples (N, ...), an array an input, one after another, through a model with one output.

        Quantizes them as the inputs say; returns the raw outputs (N, ...), for `numerics.affine.dequantize`. Raises
        UnsupportedModelError if the model has other inputs, or more outputs.
        """
        if len(self._inputs) != len(arrays) or len(self._outputs) != 1:
            raise UnsupportedModelError(
                f"{self._name} has {len(self._inputs)} inputs and {len(self._outputs)} outputs; "
                f"{len(arrays)} and one were expected."
            )
        count = len(arrays[0])
        rows, outputs = self._chunk_rows(sum(array[:1].nbytes for array in arrays)), []
        for start in range(0, count, rows):
            on_progress("inference", start, count)
            chunk = [
                quantize(array[start : start + rows], spec) for array, spec in zip(arrays, self._inputs, strict=True)
            ]
            outputs.append(self._request("run_batch", chunk, read=lambda _, outputs: outputs[0]))
        on_progress("inference", count, count)
        return np.concatenate(outputs)

    def _chunk_rows(self, row_bytes: int) -> int:
        """How many rows of the inputs, `row_bytes` each, are sent at a time, so that what comes back is bounded."""
        largest_bytes = max(1, row_bytes, sum(map(_size_bytes, self._outputs)))
        return min(max(1, CHUNK_BYTES // largest_bytes), CHUNK_ROWS)

    def _request(
        self,
        name: str,
        arrays: Sequence[np.ndarray] = (),
        *,
        read: Callable[[dict[str, Any], list[np.ndarray]], Result],
        **arguments: Any,
    ) -> Result:
        """Send a request, wait for its answer, and take from it what `read` does."""
        if self._lost is not None or self._child is None:
            raise self._lost or RuntimeRefusal(f"{self._name} was closed.")
        try:
            goes_on = name != "open"
            return read(*self._child.request(name, arrays, timeout_s=self._timeout_s, goes_on=goes_on, **arguments))
        except FrameError as error:
            raise UnsupportedModelError(f"{self._name} cannot be fed: {error}.") from error
        except ChildRefusal as error:
            raise RuntimeRefusal(f"{self._family} refused {self._name}: {error}.") from error
        except ChildTimeout as error:
            what = f"gave no answer on {self._name} within {self._timeout_s:g} s"
            raise self._give_up(what, hint="Allow it more time if the model is large.") from error
        except ChildLost as error:
            said = f"It last said: {error.last_words}." if error.last_words else "The file may be damaged."
            raise self._give_up(f"{error.what} on {self._name}", hint=said) from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            self._child.end()
            raise self._give_up(f"answered nonsense on {self._name}", hint="") from error

    def _give_up(self, what: str, *, hint: str) -> RuntimeRefusal:
        """Return a refusal, and give it for each later call as well: another child would not have the model."""
        self._lost = RuntimeRefusal(f"{self._family} {what}.", hint=hint)
        return self._lost


def _description(answer: dict[str, Any], _: list[np.ndarray]) -> Description:
    return tuple(map(_spec, answer["inputs"])), tuple(map(_spec, answer["outputs"])), answer["runtime"]


def _bounds(answer: dict[str, Any], _: list[np.ndarray]) -> dict[str, int]:
    return {str(name): int(rows) for name, rows in answer.items()}


def _size_bytes(spec: TensorSpec) -> int:
    """The size of a tensor, each free axis taken for one element."""
    return math.prod(max(1, side) for side in spec.shape) * np.dtype(spec.dtype).itemsize


def _spec(fields: dict[str, Any]) -> TensorSpec:
    quant = fields["quant"]
    if quant is not None:
        quant = QuantScheme(tuple(quant["scales"]), tuple(quant["zero_points"]), quant["axis"])
    return TensorSpec(fields["name"], tuple(fields["shape"]), fields["dtype"], quant)
