"""What the runner says of a device, started there without a model: the last word on whether it can measure."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from annotated_types import Len
from pydantic import BaseModel, Field, ValidationError

from edgecompress.devices.probe import DeviceInfo
from edgecompress.devices.store import place
from edgecompress.devices.wire.client import Finished, last_line
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError
from edgecompress.native.build import build_runner
from edgecompress.native.libraries import library_file
from edgecompress.profiling.runner.native_fit import LOADER, library_on, loader_words, own_c_library
from edgecompress.profiling.runner.session import Word
from edgecompress.progress import Progress, silent

ANSWER_TIMEOUT_S = 60  # to load LiteRT's library from a slow card
MAX_ANSWER_CHARACTERS = 4096
_NOT_STARTED = (126, 127)  # exit statuses of a shell, and of `timeout`


class About(BaseModel):
    """The runner's answer."""

    glibc: Annotated[str, Field(pattern=r"^\d{1,3}\.\d{1,3}$")]
    machine: Word
    cores: Annotated[int, Field(gt=0, lt=2**64)]  # mask of the cores that it may run on
    missing: Annotated[tuple[Word, ...], Len(max_length=8)]  # libraries


class _Refusal(BaseModel):
    refusal: str


def ask_runner(
    transport: Transport,
    info: DeviceInfo,
    runtime: str,
    *,
    with_library: bool = True,
    before: Sequence[str] = (),
    on_push: Progress = silent,
) -> About:
    """Push the native runner, have it load a runtime's library, unless told otherwise, and return what it says.

    `before` are words that its own come after, such as an emulator's.

    Raises:
        DeviceError: the device cannot run it, or lacks what the library needs.
    """
    library = library_on(transport, info, runtime)
    files = {"edgecompress-runner": build_runner(library.machine)}
    if info.android:
        files |= own_c_library(library.machine)
    if with_library:
        files[Path(library.member).name] = library_file(library)  # as it lies there for a measurement
    where = place(transport, files, on_push=on_push)
    words = [*before, *loader_words(info, where), where["edgecompress-runner"], "--about", "1"]
    words += ["--library", where[Path(library.member).name]] if with_library else []
    answer = _parsed(transport, transport.run(words, timeout_s=ANSWER_TIMEOUT_S))
    if answer.missing:
        raise DeviceError(
            f"{transport.address} lacks {' and '.join(answer.missing)}, which {library.label} needs.",
            hint="Install them there; on Debian, Ubuntu and Raspberry Pi OS: "
            "`sudo apt-get install libstdc++6 libgcc-s1`.",
        )
    return answer


def _parsed(transport: Transport, finished: Finished) -> About:
    """The answer of a device that may be hostile. Raises DeviceError where it is none."""
    device, said = transport.address, finished.stdout.lstrip()[:MAX_ANSWER_CHARACTERS].partition("\n")[0]
    try:
        return About.model_validate_json(said)
    except ValidationError:
        pass
    try:
        refusal = _Refusal.model_validate_json(said).refusal[:300]
        raise DeviceError(
            f"The runner on {device} {last_line(refusal)}.", hint="Is a library damaged, or for another processor?"
        )
    except ValidationError:
        pass
    if finished.status in _NOT_STARTED:
        raise DeviceError(
            f"{device} does not start the runner: {last_line(finished.stderr)}.",
            hint=f"It takes the loader of the GNU C library ({LOADER} or ld-linux-x86-64.so.2), and a folder that "
            "programs may be started from.",
        )
    if finished.status > 128 and finished.status - 128 in set(signal.Signals):
        name = signal.Signals(finished.status - 128).name
        raise DeviceError(f"The runner crashed on {device} ({name}).", hint="Its processor may lack an instruction.")
    raise DeviceError(
        f"The runner on {device} answered nonsense: {said[:100]!r}.", hint="Is something else in its place?"
    )
