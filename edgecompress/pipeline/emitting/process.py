"""A model in a child process that emits files of it, seen from the command that wants them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from edgecompress.child.channel import FrameError
from edgecompress.child.kept import child
from edgecompress.child.process import Child, ChildLost, ChildRefusal, ChildTimeout
from edgecompress.child.service import Limits, Service
from edgecompress.convert.targets import Options, Target
from edgecompress.convert.tflite.post_training import Calibration
from edgecompress.errors import ConversionError
from edgecompress.pipeline.emitting.service import Opened, option_values
from edgecompress.progress import Progress, silent
from edgecompress.storage import written_whole
from edgecompress.values import Artifact, Preprocessing

TIMEOUT_S = 3600.0  # of one request; a large model takes a minute
_LEAST_ADDRESS_SPACE_BYTES = 16 << 30  # TensorFlow reserves far more than it uses
_MEMORY_BYTES = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
EMIT = Service(
    "edgecompress.pipeline.emitting.service",
    Limits(
        address_space_bytes=max(_LEAST_ADDRESS_SPACE_BYTES, _MEMORY_BYTES),
        open_files=1024,
        header_bytes=64 << 20,
        array_bytes=1 << 31,
    ),
)


class Emitter:
    """A child with one model; made by `emitter`."""

    def __init__(self, process: Child) -> None:
        self._process = process
        self._name = ""

    def open(self, path: Path, *, twin: Path | None = None, trust: bool = False) -> Opened:
        """Load a model file, and its twin with fake quantization if there is one.

        Raises:
            ModelFileError, UntrustedCodeError, UnsupportedModelError: the file cannot be used.
            ConversionError: reading it crashed or hung.
        """
        self._name = path.name
        answer = self._request("open", path=str(path.resolve()), twin=str(twin.resolve()) if twin else "", trust=trust)
        try:
            return TypeAdapter(Opened).validate_python(answer)
        except ValidationError as error:
            raise self._failed("answered nonsense") from error

    def emit(
        self,
        targets: tuple[Target, ...],
        folder: Path,
        *,
        variant: str,
        origin: str,
        options: Options,
        preprocessing: Preprocessing | None,
        assumptions: tuple[str, ...] = (),
        calibration: Calibration | None = None,
        on_progress: Progress = silent,
    ) -> list[Artifact]:
        """Emit the model for each target into `folder`; paths in the artifacts are relative to it.

        Raises:
            ConversionError: see `convert.conversion.convert`; then nothing is written.
        """
        made = self._process.scratch / "emitted"
        shutil.rmtree(made, ignore_errors=True)
        answer = self._request(
            "emit",
            calibration or (),
            on_progress=on_progress,
            source={
                "variant": variant,
                "origin": origin,
                "preprocessing": asdict(preprocessing) if preprocessing else None,
                "assumptions": list(assumptions),
            },
            targets=list(map(str, targets)),
            options=option_values(options),
        )
        try:
            artifacts = TypeAdapter(tuple[Artifact, ...]).validate_python(answer)
        except ValidationError as error:
            raise self._failed("answered nonsense") from error
        emitted = []
        for artifact in artifacts:
            name = Path(artifact.path).name
            with written_whole(folder / name) as beside:
                shutil.copyfile(made / name, beside)
            emitted.append(replace(artifact, path=name))
        return emitted

    def _request(self, name: str, arrays: Any = (), *, on_progress: Progress = silent, **arguments: Any) -> Any:
        try:
            answer, _ = self._process.request(
                name, arrays, timeout_s=TIMEOUT_S, on_progress=on_progress, goes_on=name != "open", **arguments
            )
            return answer
        except ChildTimeout as error:
            raise self._failed(error.what) from error
        except ChildLost as error:
            raise self._failed(error.what, said=error.last_words) from error
        except ChildRefusal as error:
            raise self._failed(f"failed: {error}") from error
        except FrameError as error:
            raise ConversionError(f"The calibration samples are too many: {error}.", hint="Give fewer.") from error

    def _failed(self, what: str, *, said: str = "") -> ConversionError:
        last = f" It last said: {said}." if said else ""
        return ConversionError(
            f"The process that converts '{self._name}' {what}.{last} Nothing was kept.",
            hint="Please report the model; another target or another form of the layer may work.",
        )


@contextmanager
def emitter() -> Iterator[Emitter]:
    """Yield an emitter, in a child that is ended after the block or kept for the next."""
    with child(EMIT) as process:
        yield Emitter(process)
