"""The limits that a child process puts on itself before it reads anything."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

from edgecompress.child.service import Limits

MIN_ADDRESS_SPACE_BYTES = 2 << 30  # libraries and their stacks fit well into it


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, even when it is deep in a library's loop."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def limit_resources(limits: Limits) -> None:
    """Bound memory, files and core dumps; the number of processes is one for all of a user's, and so left as it is."""
    physical_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for what, limit in (
        (resource.RLIMIT_AS, limits.address_space_bytes or max(physical_bytes // 2, MIN_ADDRESS_SPACE_BYTES)),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        lower = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (lower, lower))
