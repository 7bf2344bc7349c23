"""Whether the machine had other work while a block was timed: a clock takes that for the model's time.

Let `lost` be the share of a block in which the model could not run. A median moves by `d` only if half of the samples
each lost `d` or more, so that `d <= 2 lost`. A block that lost more than 1 % is disturbed: it is set aside and timed
again. What is left is right within 2 %, which is as well as a plan wants to know its medians.

What is lost is, for one thread, the time in which it had no processor, whatever the reason; for several threads on as
many cores, the time for which they stood in the queue for one (seen on a quiet machine: at most 0.1 and 0.7 %); and in
both cases what a hypervisor took. More threads than cores wait for each other: there, and where a kernel does not count
its queue, only the work of others on these cores tells.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgecompress.profiling.session import Block, Opened

LOST = 0.01  # of a block's time
DISTURBED = 0.25  # of the blocks: beyond it the machine is busy, and the rest may have suffered in its caches
ENOUGH_BLOCKS = 20  # to say so before the round is over
OTHERS = 0.1  # of a core beyond those that are free; ticks of 10 ms, over 20 blocks of 50 ms, tell it within 0.03
LOAD_WAITED, LOAD_WAITED_NS = 0.1, 1_000_000  # of a load with its first run; a shorter wait is a thread that wakes up


def is_disturbed(block: Block, *, threads: int) -> bool:
    """Return whether more of a block was lost than a median allows."""
    return _lost(block, threads) > LOST


def why_busy(kept: Sequence[Block], disturbed: Sequence[Block], *, threads: int) -> str:
    """Return what the machine did beside these blocks of one process that makes them unfit, or nothing."""
    blocks = [*kept, *disturbed]
    if len(disturbed) > DISTURBED * len(blocks):
        wall_ns = sum(map(_wall_ns, blocks))
        lost = sum(_lost(block, threads) * _wall_ns(block) for block in blocks) / wall_ns
        return f"the machine was busy: the model could not run for {100 * lost:.0f} % of the time{_beside(blocks)}"
    if threads > 1 and not _queue_tells(blocks, threads) and (others := others_cores(blocks)) is not None:
        cores = min(block.cores.bit_count() for block in blocks)
        if others > max(0, cores - threads) + OTHERS:
            return f"the machine was busy: other work took {others:.1f} of {cores} cores"
    return ""


def why_busy_loading(opened: Opened) -> str:
    """Return whether load and first inference had to wait for others."""
    took_ns, waited_ns = opened.load_ns + opened.compile_ns + opened.first_ns, opened.waited_ns or 0
    if waited_ns <= max(LOAD_WAITED_NS, LOAD_WAITED * (took_ns + opened.library_ns)):
        return ""
    return f"the machine was busy: the load waited {waited_ns / 1e6:.0f} ms for a core"


def others_cores(blocks: Sequence[Block]) -> float | None:
    """Return how many cores' worth of work others had on the cores of these blocks; None where it is not told."""
    if not blocks or any(block.busy_ns is None for block in blocks):
        return None
    others_ns = sum((block.busy_ns or 0) - block.cpu_ns for block in blocks)
    return max(0.0, others_ns / sum(map(_wall_ns, blocks)))


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
    wall_ns, lost_ns = _wall_ns(block), 0
    if threads == 1:
        lost_ns = max(0, wall_ns - block.cpu_ns)
    elif _queue_tells([block], threads):
        lost_ns = block.waited_ns or 0
    return min(1.0, max(lost_ns, block.stolen_ns or 0) / wall_ns)


def _queue_tells(blocks: Sequence[Block], threads: int) -> bool:
    return all(block.waited_ns is not None and threads <= block.cores.bit_count() for block in blocks)


def _beside(blocks: Sequence[Block]) -> str:
    """What else is known, for whoever looks for the reason."""
    preempted, stolen_ns = (sum(getattr(each, name) or 0 for each in blocks) for name in ("preempted", "stolen_ns"))
    others = others_cores(blocks)
    parts = [f"it was preempted {preempted} times"] if preempted else []
    parts += [f"other work took {others:.1f} of {blocks[0].cores.bit_count()} cores"] if others else []
    parts += [f"the hypervisor took {stolen_ns / 1e6:.0f} ms"] if stolen_ns else []
    return f" ({', '.join(parts)})" if parts else ""


def _wall_ns(block: Block) -> int:
    return sum(block.samples_ns)
