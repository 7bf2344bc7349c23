"""Whether the machine had other work while a block was timed: a clock takes that for the model's time.

Let `lost` be the share of a block in which the model could not run. A median moves by `d` only if half of the samples
each lost `d` or more, so that `d <= 2 lost`. A block that lost more than 1 % is disturbed: it is set aside and timed
again. What is left is right within 2 %, which is as well as a plan wants to know its medians.

What is lost is, for one thread, the time in which it had no processor, whatever the reason; for several threads on as
many cores, the time for which they stood in the queue for one (seen on a quiet machine: at most 0.1 and 0.7 %); and in
both cases what a hypervisor took.

Others that run beside the model take its speed where two cores are halves of one, as with hyperthreads, and as the
cores of virtual machines mostly are, which cannot be seen from within (two threads of a virtual machine took 1.6 times
as long in some minutes as in others). More threads than cores wait for each other, and some kernels do not count their
queue; then, too, only the work of others on these cores tells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from edgecompress.profiling.runner.session import Block, Opened

LOST = 0.01  # of a block's time
DISTURBED = 0.25  # of the blocks: beyond it the machine is busy, and the rest may have suffered in its caches
ENOUGH_BLOCKS = 20  # to say so before the round is over
BESIDE = 0.1  # of the time a core beside the model's may be at work: a median is then a 0.55 quantile at the worst
TICK_NS = 10_000_000  # in which cores' work is told
DEVIATIONS = 3.0  # of what ticks leave open
LOAD_WAITED, LOAD_WAITED_NS = 0.1, 1_000_000  # of a load with its first run; a shorter wait is a thread that wakes up


def is_disturbed(block: Block, *, threads: int) -> bool:
    """Return whether more of a block was lost than a median allows."""
    return _lost(block, threads) > LOST


def why_busy(kept: Sequence[Block], disturbed: Sequence[Block], *, threads: int, may_be_halves: bool) -> str:
    """Return what the machine did beside these blocks of one process that makes them unfit, or nothing.

    `may_be_halves` says whether one core's work may slow another, see `cores_may_be_halves`.
    """
    blocks = [*kept, *disturbed]
    if len(disturbed) > DISTURBED * len(blocks):
        lost = sum(_lost(block, threads) * block.wall_ns for block in blocks) / sum(block.wall_ns for block in blocks)
        return f"the machine was busy: the model could not run for {100 * lost:.0f} % of the time{_details(blocks)}"
    others = others_cores(blocks)
    if others is None or (_queue_tells(blocks, threads) and not may_be_halves):
        return ""
    cores = min(block.cores.bit_count() for block in blocks)
    free = max(1, cores - threads)
    if others > max(BESIDE * free, DEVIATIONS * _others_deviation(blocks)):
        return f"the machine was busy: other work took {others:.2f} of the {cores} cores beside the model"
    return ""


def why_busy_loading(opened: Opened) -> str:
    """Return whether load and first inference had to wait for others, or nothing."""
    took_ns = opened.library_ns + opened.load_ns + opened.compile_ns + opened.first_ns
    if opened.waited_ns is None or opened.waited_ns <= max(LOAD_WAITED_NS, LOAD_WAITED * took_ns):
        return ""
    return f"the machine was busy: the load waited {opened.waited_ns / 1e6:.0f} ms for a core"


def cores_may_be_halves(conditions: dict[str, Any]) -> bool:
    """Return whether a device has hyperthreads, or is a virtual machine, which would not know."""
    return bool(conditions.get("smt") or conditions.get("virtual"))


def others_cores(blocks: Sequence[Block]) -> float | None:
    """Return how many cores' worth of work others had on the cores of these blocks; None where it is not told."""
    if not blocks or any(block.busy_ns is None for block in blocks):
        return None
    others_ns = sum((block.busy_ns or 0) - block.cpu_ns for block in blocks)
    return max(0.0, others_ns / sum(block.wall_ns for block in blocks))


def not_told(blocks: Sequence[Block]) -> list[str]:
    """Return what a device keeps to itself of what the marks are made from."""
    fields = {
        "waits for a core": [block.waited_ns for block in blocks],
        "preemptions": [block.preempted for block in blocks],
        "the work of others": [block.busy_ns for block in blocks],
        "what a hypervisor takes": [block.stolen_ns for block in blocks],
    }
    return [name for name, values in fields.items() if None in values]


def _lost(block: Block, threads: int) -> float:
    """The share of the time in which the model could not run."""
    lost_ns = 0
    if threads == 1:
        lost_ns = max(0, block.wall_ns - block.cpu_ns)
    elif _queue_tells([block], threads):
        lost_ns = block.waited_ns or 0
    return min(1.0, max(lost_ns, block.stolen_ns or 0) / block.wall_ns)


def _queue_tells(blocks: Sequence[Block], threads: int) -> bool:
    """Whether `_lost` sees the work of others on the model's own cores; one thread's processor time always does."""
    return threads == 1 or all(each.waited_ns is not None and threads <= each.cores.bit_count() for each in blocks)


def _others_deviation(blocks: Sequence[Block]) -> float:
    """The deviation of `others_cores`: a core's count of ticks is off by one's fraction at either end of a block.

    The difference of two uniform errors has the variance tick^2 / 6.
    """
    counts = sum(block.cores.bit_count() for block in blocks)
    return TICK_NS * math.sqrt(counts / 6) / sum(block.wall_ns for block in blocks)


def _details(blocks: Sequence[Block]) -> str:
    """What else is known, for whoever looks for the reason."""
    preempted, stolen_ns = (sum(getattr(each, name) or 0 for each in blocks) for name in ("preempted", "stolen_ns"))
    others = others_cores(blocks)
    parts = [f"it was preempted {preempted} times"] if preempted else []
    parts += [f"other work took {others:.1f} of {blocks[0].cores.bit_count()} cores"] if others else []
    parts += [f"the hypervisor took {stolen_ns / 1e6:.0f} ms"] if stolen_ns else []
    return f" ({', '.join(parts)})" if parts else ""
