"""A case is an odd device: it measures, or is refused in a sentence whose remedy, when it is followed, has it measure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from device_tests.accounts import Board
from device_tests.conftest import SHORT
from edgecompress.devices.address import Address
from edgecompress.errors import DeviceError
from edgecompress.pipeline.profile import profile_files
from edgecompress.profiling.plan import Plan
from edgecompress.values import Measurement

Remedy = Callable[[Board, str], None]  # follows a hint on a board


@dataclass(frozen=True)
class Case:
    """What is to be seen of an account; without `says` it measures at once."""

    kind: str  # of device, for people
    account: str
    says: tuple[str, ...] = ()
    remedy: Remedy | None = None


def measure(device: str | Address, model: Path, **plan: object) -> Measurement:
    """Measure as `edgecompress profile` does, briefly."""
    options = {**SHORT, "repeats": 0, **plan}
    (measurement,) = profile_files([model], devices=[device], plan=Plan(**options)).measurements
    return measurement


def refused(device: str | Address, model: Path, *words: str, **plan: object) -> str:
    """See that it is refused in one sentence with these words, in their order; returns what there is to try."""
    with pytest.raises(DeviceError) as error:
        measure(device, model, **plan)
    text = str(error.value)
    assert re.search(".*".join(map(re.escape, words)), text), text
    assert "\n" not in text and "Traceback" not in text and len(text) < 400 and error.value.hint, text
    return error.value.hint


def see(case: Case, board: Board, model: Path, output_hash: str) -> None:
    """Measure a board, after the remedy if it is one that needs it; what it computes is what this machine does."""
    if case.says:
        hint = refused(board.address, model, *case.says)
        assert case.remedy, f"{case.kind}: without a remedy"
        case.remedy(board, hint)
    found = measure(board.address, model)
    assert found.runner == "native" and found.output_hash == output_hash and found.steady.count >= 5


def command_in(hint: str) -> str:
    """The first command that a hint names."""
    found = re.search("`([^`]+)`", hint)
    assert found, hint
    return found[1]


def as_root(board: Board, hint: str) -> None:
    """Follow a hint by its first command, on the board."""
    board.as_root(command_in(hint))
