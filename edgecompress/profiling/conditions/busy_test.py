from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.profiling.conditions.busy import (
    TICK_NS,
    cores_may_be_halves,
    is_disturbed,
    not_told,
    others_cores,
    why_busy,
    why_busy_loading,
)
from edgecompress.profiling.runner.session import Block, Opened

MS = 1_000_000
OPENED = Opened("1", 30 * MS, 4 * MS, 0, 2 * MS, 1, 3, "", (), ())


def block(*, lost=0.0, others=0.0, threads=1, cores=2, stolen=0.0, wall_ns=50 * MS):
    """A block in which `lost` of the time went by in the queue, and others had so many cores' worth of work."""
    cpu_ns = round(wall_ns * (threads - lost))
    return Block(
        **{"start_ns": 1, "cpu_ns": cpu_ns, "core": 0, "clock_khz": 0, "cores": (1 << cores) - 1},
        **{"inferences": 10, "samples_ns": (wall_ns // 10,) * 10, "waited_ns": round(lost * wall_ns), "preempted": 3},
        **{"busy_ns": cpu_ns + round(others * wall_ns), "stolen_ns": round(stolen * wall_ns)},
    )


def silent(found):
    """The same from a device that tells nothing but processor time."""
    return replace(found, waited_ns=None, preempted=None, busy_ns=None, stolen_ns=None)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_block_that_lost_more_than_one_percent_is_disturbed(threads):
    assert not is_disturbed(block(lost=0.009, threads=threads), threads=threads)
    assert is_disturbed(block(lost=0.011, threads=threads), threads=threads)
    assert is_disturbed(block(stolen=0.2, threads=threads), threads=threads)


def test_one_thread_s_processor_time_tells_where_nothing_else_does():
    assert is_disturbed(silent(block(lost=0.5)), threads=1)
    assert not is_disturbed(silent(block()), threads=1)
    assert is_disturbed(replace(block(lost=0.5), waited_ns=0), threads=1)  # held back otherwise, as by a quota


def test_threads_beyond_the_cores_wait_for_each_other():
    assert not is_disturbed(block(lost=1.9, threads=4), threads=4)
    assert why_busy([block(lost=1.9, threads=4)] * 20, [], threads=4, may_be_halves=False) == ""
    found = why_busy([block(lost=2.5, threads=4, others=0.5)] * 20, [], threads=4, may_be_halves=False)
    assert found == "the machine was busy: other work took 0.50 of the 2 cores beside the model"


def test_a_quarter_of_the_blocks_may_be_disturbed():
    quiet, bad = block(), block(lost=0.6, others=0.6)
    assert why_busy([quiet] * 30, [bad] * 10, threads=1, may_be_halves=False) == ""
    found = why_busy([quiet] * 29, [bad] * 11, threads=1, may_be_halves=False)
    assert found.startswith("the machine was busy: the model could not run for 16 % of the time (it was preempted 120 ")
    assert found.endswith("other work took 0.2 of 2 cores)")
    assert "the hypervisor took 10 ms" in why_busy([], [block(stolen=0.2)], threads=1, may_be_halves=False)
    alone = why_busy([], [silent(bad)], threads=1, may_be_halves=False)
    assert alone == "the machine was busy: the model could not run for 60 % of the time"


@pytest.mark.parametrize(
    ("cores", "threads", "others", "halves", "busy"),
    [
        (2, 1, 0.9, False, False),  # another core's work is its own affair
        (2, 1, 0.9, True, True),
        (2, 1, 0.09, True, False),
        (2, 2, 0.9, True, True),
        (16, 1, 1.4, True, False),  # of fifteen cores beside it, one in ten may be at work
        (16, 1, 1.6, True, True),
    ],
)
def test_work_beside_the_model_counts_where_cores_may_be_halves(cores, threads, others, halves, busy):
    blocks = [block(cores=cores, threads=threads, others=others)] * 40
    assert bool(why_busy(blocks, [], threads=threads, may_be_halves=halves)) == busy


def test_where_the_queue_is_not_counted_others_tell_on_several_threads():
    blocks = [replace(block(threads=2, others=0.5), waited_ns=None)] * 20
    assert "other work took 0.50 of the 2 cores" in why_busy(blocks, [], threads=2, may_be_halves=False)
    assert why_busy([silent(each) for each in blocks], [], threads=2, may_be_halves=True) == ""


def test_what_is_not_told_is_named():
    assert not_told([block()]) == []
    assert not_told([replace(block(), waited_ns=None, stolen_ns=None)]) == [
        "waits for a core",
        "what a hypervisor takes",
    ]
    assert len(not_told([silent(block())])) == 4
    assert others_cores([block(others=0.25)]) == pytest.approx(0.25)
    assert others_cores([]) is None and others_cores([silent(block())]) is None


@pytest.mark.parametrize(("waited_ms", "busy"), [(None, False), (0, False), (0.9, False), (3.5, False), (3.7, True)])
def test_a_load_may_wait_for_a_tenth_of_its_time(waited_ms, busy):
    """36 ms with the library; below 1 ms it is a thread that wakes up, however short the load."""
    waited_ns = None if waited_ms is None else round(waited_ms * MS)
    assert bool(why_busy_loading(replace(OPENED, waited_ns=waited_ns))) == busy
    assert why_busy_loading(replace(OPENED, library_ns=0, load_ns=1, first_ns=1, waited_ns=MS)) == ""


def test_cores_may_be_halves_in_a_virtual_machine_and_with_hyperthreads():
    assert cores_may_be_halves({"virtual": True}) and cores_may_be_halves({"smt": True, "virtual": False})
    assert not cores_may_be_halves({}) and not cores_may_be_halves({"smt": False, "virtual": False})


def counted(generator, count, *, others):
    """Blocks as ticks tell them: each core's work grows evenly, and is read at any moment of its tick."""
    found = []
    for _ in range(count):
        wall_ns = int(generator.uniform(50, 60) * MS)
        lost = generator.uniform(0, 0.001)
        work_ns = (wall_ns * (1 - lost), wall_ns * others)
        starts = generator.uniform(0, TICK_NS, 2)
        ticks = sum(int((start + work) // TICK_NS) for start, work in zip(starts, work_ns, strict=True))
        found.append(replace(block(lost=lost, wall_ns=wall_ns), busy_ns=ticks * TICK_NS))
    return found


@pytest.mark.parametrize("count", [2, 20, 200])
def test_a_quiet_machine_is_not_called_busy_by_chance(count):
    """Background work of 0.02 cores, with ticks of 10 ms, in a virtual machine: at most once in a hundred rounds."""
    generator, wrong = np.random.default_rng(count), 0
    for _ in range(300):
        blocks = counted(generator, count, others=0.02)
        assert not any(is_disturbed(each, threads=1) for each in blocks)
        wrong += bool(why_busy(blocks, [], threads=1, may_be_halves=True))
    assert wrong <= 3


def test_a_core_beside_it_that_works_all_the_time_is_always_noticed():
    generator = np.random.default_rng(0)
    for _ in range(300):
        assert why_busy(counted(generator, 4, others=1.0), [], threads=1, may_be_halves=True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(1, 4), st.integers(1, 8), st.booleans())
def test_what_is_left_of_a_process_that_is_not_busy_lost_next_to_nothing(lost, threads, cores, halves):
    blocks = [block(lost=each, threads=threads, cores=cores) for each in lost]
    kept = [each for each in blocks if not is_disturbed(each, threads=threads)]
    disturbed = [each for each in blocks if is_disturbed(each, threads=threads)]
    if not why_busy(kept, disturbed, threads=threads, may_be_halves=halves) and threads <= cores:
        assert kept and sum(each.waited_ns for each in kept) <= 0.0101 * sum(each.wall_ns for each in kept)
