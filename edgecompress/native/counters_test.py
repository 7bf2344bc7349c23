import os
import subprocess
import sys

import pytest

from edgecompress.native.runner_test import COUNTERS
from edgecompress.testing.runners import RUNNERS, running
from edgecompress.testing.sample_files import int8_relu

SPINS = "print('spins', flush=True)\nwhile True: pass"


@pytest.mark.parametrize("runner", RUNNERS)
def test_what_the_system_counts_beside_a_block(runner, tmp_path):
    """Waits of one that shares its core with others, and the work of a core, which nobody has more than once."""
    core = min(os.sched_getaffinity(0))
    with running(runner, int8_relu(tmp_path), "--cores", f"{1 << core:x}") as started:
        first = started.answer()
        # In a session of its own: a core is shared out among sessions first, and this one may have much else to do.
        other = subprocess.Popen([sys.executable, "-S", "-c", SPINS], stdout=subprocess.PIPE, start_new_session=True)
        try:
            os.sched_setaffinity(other.pid, {core})
            assert other.stdout.readline() == b"spins\n"
            block = started.ask("time 1 0.5")
        finally:
            other.kill()
            other.wait()
    wall_ns, tick_ns = sum(block["samples_ns"]), 10_000_000
    assert all(first[name] is None or first[name] >= 0 for name in COUNTERS)
    assert block["preempted"] > 0
    if block["waited_ns"] is not None:  # the kernel counts the queue
        assert 0.2 * wall_ns < block["waited_ns"] <= wall_ns - block["cpu_ns"] + 0.02 * wall_ns
    assert 0.5 * wall_ns < block["busy_ns"] + block["stolen_ns"] <= wall_ns + 10 * tick_ns
