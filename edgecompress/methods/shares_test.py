"""Shares are refused where they are none, and a percentage is recognized, by every method that takes one."""

from __future__ import annotations

import math

import pytest

from edgecompress.errors import MethodError
from edgecompress.methods.pruning import IterativePruning, MagnitudePruning, XNNPACKLatencyPruning
from edgecompress.methods.shares import require_share

TAKING = [
    lambda value: MagnitudePruning(sparsity=value),
    lambda value: IterativePruning(sparsity=value),
    lambda value: IterativePruning(sparsities={"fc.*": value}),
    lambda value: XNNPACKLatencyPruning(sparsity=value),
]


@pytest.mark.parametrize("make", TAKING)
@pytest.mark.parametrize("value", [80, 99.5, 2])
def test_a_percentage_is_refused_with_the_share_that_was_meant(make, value: float) -> None:
    with pytest.raises(MethodError, match=rf"sparsity\S* {value:g}; a share in \[") as caught:
        make(value)
    assert f"Did you mean {value / 100:g}?" in caught.value.hint


@pytest.mark.parametrize("make", TAKING)
@pytest.mark.parametrize("value", [1, 1.5, 100, -0.5, math.nan, math.inf])
def test_what_is_no_share_is_refused_without_a_guess(make, value: float) -> None:
    with pytest.raises(MethodError, match="a share in") as caught:
        make(value)
    assert "Did you mean" not in caught.value.hint


def test_shares_are_taken() -> None:
    require_share("pruning", first=0.0, second=0.999)
    with pytest.raises(MethodError, match=r"second 0\.5; a share in \[0\.67, 1\)"):
        require_share("pruning", above=2 / 3, first=0.7, second=0.5)
