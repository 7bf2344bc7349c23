"""A case is an odd device: it measures, or is refused in a sentence whose remedy has it measure once it is followed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from device_tests.accounts import Board
from device_tests.conftest import SHORT
from edgecompress.devices.address import Address
from edgecompress.devices.configured import resolve
from edgecompress.errors import DeviceError
from edgecompress.pipeline.on_devices.profile import profile_files
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.readiness.check import check_address
from edgecompress.progress import Progress, silent
from edgecompress.values import Measurement

# Follows a hint on a board, or on this machine as its client; returns what the user calls the device after that, if it
# is not what it was.
Remedy = Callable[[Any, str], "Address | str | None"]


@dataclass(frozen=True)
class Case:
    """What is to be seen of an account; without `says` it measures at once."""

    kind: str  # of device, for people
    account: str
    says: tuple[str, ...] = ()
    remedy: Remedy | None = None
    line: str = ""  # words of its line of conditions


def measure(device: str | Address, model: Path, *, on_progress: Progress = silent, **plan: object) -> Measurement:
    """Measure as `edgecompress profile` does, briefly."""
    options = {**SHORT, **plan}
    found = profile_files([model], devices=[device], plan=Plan(**options), on_progress=on_progress)
    (measurement,) = found.measurements
    return measurement


def refused(device: str | Address, model: Path, *words: str, on_progress: Progress = silent) -> str:
    """See that it is refused in one sentence with these words, in their order; returns what there is to try."""
    with pytest.raises(DeviceError) as error:
        measure(device, model, on_progress=on_progress)
    _require_sentence(error.value, words)
    return error.value.hint


def not_ready(device: str | Address, *words: str) -> str:
    """See that `edgecompress devices check` says no in such a sentence; returns what there is to try."""
    found = check_address(resolve(device))
    assert not found.is_ready, found.steps
    with pytest.raises(DeviceError) as error:
        found.require()
    _require_sentence(error.value, words)
    return error.value.hint


def _require_sentence(error: DeviceError, words: Sequence[str]) -> None:
    text = str(error)
    assert re.search(".*".join(map(re.escape, words)), text), text
    assert "\n" not in text and "Traceback" not in text and len(text) < 400 and error.hint, text


def see(case: Case, place: Any, model: Path, output_hash: str | None, device: str | Address = "") -> None:
    """Measure a device, after the remedy if it is one that needs it; it computes what has this hash, if one is given.

    `place` is what the remedy is followed on, and has the device's address, unless it is called otherwise. As long as
    the device is not ready, `edgecompress devices check` has to say what to do; after that, measuring begins with it.
    """
    device = device or place.address
    if case.says:
        hint = not_ready(device, *case.says)
        refused(device, model, *case.says)
        assert case.remedy, f"{case.kind}: without a remedy"
        device = case.remedy(place, hint) or device
    found = measure(device, model)
    assert found.runner == "native" and found.steady.count >= 5
    assert output_hash in (None, found.output_hash)
    assert case.line in found.conditions["line"]


def parameters(cases: Sequence[Case]) -> list[ParameterSet]:
    """The cases for a test's parameters."""
    return [pytest.param(case, id=case.kind) for case in cases]


def commands_in(hint: str) -> list[str]:
    """The commands that a hint names."""
    return re.findall("`([^`]+)`", hint)


def command_in(hint: str) -> str:
    """The first command that a hint names."""
    assert commands_in(hint), hint
    return commands_in(hint)[0]


def as_root(board: Board, hint: str) -> None:
    """Follow a hint by its first command, on the board."""
    board.as_root(command_in(hint))
