"""A few hundred of the changed files, and that the unchanged ones reach every coding."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from edgecompress.packing.codings import KINDS
from edgecompress.packing.codings.base import Source
from edgecompress.packing.container import unpack_files

SPEC = importlib.util.spec_from_file_location("packing_fuzz", Path(__file__).parent / "packing_fuzz.py")
assert SPEC is not None and SPEC.loader is not None
packing_fuzz = importlib.util.module_from_spec(SPEC)
sys.modules["packing_fuzz"] = packing_fuzz  # dataclasses look their module up
SPEC.loader.exec_module(packing_fuzz)


def test_the_originals_reach_every_coding(monkeypatch) -> None:
    seen, original = set(), Source.coding

    def coding(self, size_bytes):
        found = original(self, size_bytes)
        seen.add(found.kind)
        return found

    monkeypatch.setattr(Source, "coding", coding)
    for packed in packing_fuzz.originals():
        assert all(unpack_files(packed).values())
    assert seen == set(KINDS)


def test_some_hundred_inputs_end_in_errors_or_the_same_files() -> None:
    tally = packing_fuzz.run((1, 0, 600))
    assert tally.failures == []
    assert sum(tally.outcomes.values()) == 600
    assert len(tally.outcomes) > 20  # kinds of messages: the decoders are reached, not only the check sums


def test_inputs_are_the_same_again() -> None:
    assert packing_fuzz.an_input(1, 5) == packing_fuzz.an_input(1, 5) != packing_fuzz.an_input(2, 5)
