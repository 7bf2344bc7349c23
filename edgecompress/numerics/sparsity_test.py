"""A schedule by hand, and where it ends."""

from __future__ import annotations

import pytest

from edgecompress.numerics.sparsity import SparsitySchedule


def test_a_rising_schedule_by_hand() -> None:
    # 0.7 of 100 steps in 20 intervals: 3 steps each, 60 in all.
    schedule = SparsitySchedule.over(100, kind="polynomial", initial=0.2, final=0.8)
    assert [step for step in range(1, 101) if schedule.due(step)] == list(range(3, 61, 3))
    assert schedule.sparsity(30) == pytest.approx(0.8 - 0.6 * 0.5**3)
    assert schedule.sparsity(60) == 0.8
    assert [schedule.begun(step) for step in (1, 2, 3, 99)] == [False, False, True, True]


def test_a_constant_schedule_goes_on_to_the_end() -> None:
    schedule = SparsitySchedule.over(100, kind="constant", initial=0.0, final=0.8)
    assert [step for step in range(1, 200) if schedule.due(step)] == list(range(3, 101, 3))
    assert schedule.sparsity(3) == 0.8


@pytest.mark.parametrize("steps", [1, 2, 7, 20, 57, 1000, 1877])
def test_the_last_choice_reaches_the_final_sparsity(steps: int) -> None:
    schedule = SparsitySchedule.over(steps, kind="polynomial", initial=0.0, final=0.8)
    last = max(step for step in range(1, steps + 1) if schedule.due(step))
    assert schedule.sparsity(last) == 0.8


def test_a_mask_of_one_choice() -> None:
    schedule = SparsitySchedule.once(0.5)
    assert [schedule.due(step) for step in (1, 2, 3)] == [True, False, False] and schedule.begun(1)
