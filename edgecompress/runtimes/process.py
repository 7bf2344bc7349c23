"""A runtime in a process of its own, so that a file that it refuses, crashes on or hangs on is only an error."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from edgecompress.errors import ModelFileError, RuntimeRefusal, UnsupportedModelError
from edgecompress.numerics.affine import quantize
from edgecompress.progress import Progress, silent
from edgecompress.runtimes.channel import Channel, ChannelClosed, FrameError
from edgecompress.runtimes.session import prepare, runtime_name
from edgecompress.values import QuantScheme, TensorSpec

TIMEOUT_S = 60.0
CHUNK_BYTES = 4 << 20  # images sent at a time: few enough to show progress, enough to hide the round trip
CHUNK_IMAGES = 64  # so that one answer stays far from the time limit
REASON_CHARACTERS = 300
LOG_BYTES = 4096  # read from its end

Description = tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...], str]  # inputs, outputs, runtime
Result = TypeVar("Result")


class RuntimeProcess:
    """A model loaded in a child process; use it in a `with` statement, which ends the child whatever happens.

    Each call waits for at most `timeout_s`. Raises ModelFileError if there is no such file, RuntimeRefusal if the
    runtime refuses it, crashes on it or gives no answer; after a crash or a hang the child is gone, after a refusal it
    can go on. Raises DeviceError if the file needs kernels that cannot be built. With `plain` the runtime is used as it
    is installed, without kernels of ours.
    """

    def __init__(self, path: str | Path, *, timeout_s: float = TIMEOUT_S, plain: bool = False) -> None:
        self._name = Path(path).name
        self._family = runtime_name(path)
        if not Path(path).is_file():
            raise ModelFileError(f"There is no file {path}.")
        if not plain:
            prepare(path)
        self._timeout_s = timeout_s
        self._scratch = tempfile.TemporaryDirectory(prefix="edgecompress-")  # the child's working folder and log
        self._log = Path(self._scratch.name) / "log"
        self._child: subprocess.Popen[bytes] | None = None
        try:
            self._channel = self._start()
            opened = self._request("open", path=str(Path(path).resolve()), plain=plain, read=_description)
        except BaseException:
            self.close()
            raise
        self._inputs, self._outputs, self._runtime = opened

    def _start(self) -> Channel:
        with self._log.open("wb") as log:
            # -P: no module is imported from the working folder. A process group of its own: Ctrl-C reaches the parent
            # alone, which then ends the child.
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "edgecompress.runtimes.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                cwd=self._scratch.name,
                process_group=0,
            )
        assert self._child.stdin and self._child.stdout
        return Channel(self._child.stdout.fileno(), self._child.stdin.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the child, whatever it is doing, and remove what it wrote."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()  # reaps it, and closes the pipes
        self._scratch.cleanup()

    def describe(self) -> Description:
        """Inputs, outputs, and the runtime's name and version."""
        return self._inputs, self._outputs, self._runtime

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Run one inference on one array an input, in the inputs' own types; the outputs are raw, too."""
        return self._request("run", arrays, read=lambda _, outputs: outputs)

    def run_batch(self, images: np.ndarray, *, on_progress: Progress = silent) -> np.ndarray:
        """Run float images (N, ...), one after another, through a model with one input and one output.

        Quantizes them as the input says; returns the raw outputs (N, ...), for `numerics.affine.dequantize`. Raises
        UnsupportedModelError if the model has more inputs or outputs.
        """
        if len(self._inputs) != 1 or len(self._outputs) != 1:
            raise UnsupportedModelError(
                f"{self._name} has {len(self._inputs)} inputs and {len(self._outputs)} outputs; "
                "a batch of images needs one of each."
            )
        rows = min(max(1, CHUNK_BYTES // max(1, images[:1].nbytes)), CHUNK_IMAGES)
        outputs = []
        for start in range(0, len(images), rows):
            on_progress("inference", start, len(images))
            chunk = quantize(images[start : start + rows], self._inputs[0])
            outputs.append(self._request("run_batch", [chunk], read=lambda _, outputs: outputs[0]))
        on_progress("inference", len(images), len(images))
        return np.concatenate(outputs)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._child is not None
        return self._child

    def _request(
        self,
        name: str,
        arrays: Sequence[np.ndarray] = (),
        *,
        read: Callable[[dict[str, Any], list[np.ndarray]], Result],
        **arguments: Any,
    ) -> Result:
        """Send a request, wait for its answer, and take from it what `read` does."""
        try:
            try:
                self._channel.send({"request": name, **arguments}, arrays, timeout_s=self._timeout_s)
            except FrameError as error:
                raise UnsupportedModelError(f"{self._name} cannot be fed: {error}.") from error
            message, outputs = self._channel.receive(timeout_s=self._timeout_s)
            if "refusal" not in message:
                return read(message["answer"], outputs)
        except TimeoutError as error:
            reason = f"gave no answer on {self._name} within {self._timeout_s:g} s"
            raise self._lost(reason, hint="Allow it more time if the model is large.") from error
        except ChannelClosed as error:
            raise self._lost(f"{self._ending()} on {self._name}", hint=self._last_words()) from error
        except (FrameError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise self._lost(f"answered nonsense on {self._name}", hint="") from error
        raise RuntimeRefusal(f"{self._family} refused {self._name}: {_first_line(str(message['refusal']))}.")

    def _lost(self, what: str, *, hint: str) -> RuntimeRefusal:
        self._running().kill()
        return RuntimeRefusal(f"{self._family} {what}.", hint=hint)

    def _ending(self) -> str:
        """What became of a child that closed its pipes."""
        child = self._running()
        try:
            status = child.wait(timeout=self._timeout_s)
        except subprocess.TimeoutExpired:
            return "closed its pipes"
        return f"crashed ({signal.Signals(-status).name})" if status < 0 else f"ended (exit status {status})"

    def _last_words(self) -> str:
        """The last line of the child's log that is more than chatter."""
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - LOG_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        telling = [line for line in lines if line.strip() and not line.startswith(("INFO", "WARNING"))]
        return f"It last said: {_first_line(telling[-1])}." if telling else "The file may be damaged."


def _description(answer: dict[str, Any], _: list[np.ndarray]) -> Description:
    return tuple(map(_spec, answer["inputs"])), tuple(map(_spec, answer["outputs"])), answer["runtime"]


def _spec(fields: dict[str, Any]) -> TensorSpec:
    quant = fields["quant"]
    if quant is not None:
        quant = QuantScheme(tuple(quant["scales"]), tuple(quant["zero_points"]), quant["axis"])
    return TensorSpec(fields["name"], tuple(fields["shape"]), fields["dtype"], quant)


def _first_line(text: str) -> str:
    lines = text.strip().splitlines() or ["no reason given"]
    return lines[0][:REASON_CHARACTERS].rstrip(".")
