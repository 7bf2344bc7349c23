"""How a device itself ends a command that takes too long."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Sequence

KILL_AFTER_S = 2
TIMED_OUT = 124  # `timeout`'s exit status
ENDED_BY_TIMEOUT = (TIMED_OUT, 128 + signal.SIGTERM, 128 + signal.SIGKILL)  # the latter two are busybox's

# A device without `timeout` (very old Android) is trusted to end by itself: the runner has a limit of its own.
_LIMITED = 'if command -v timeout >/dev/null 2>&1; then exec timeout -k "$0" "$@"; else shift; exec "$@"; fi'


def limited(words: Sequence[str], timeout_s: float) -> str:
    """Return the shell command for `words`, each quoted, which the device itself ends after `timeout_s`."""
    seconds = max(1, round(timeout_s))
    # `exec`, so that the client is `timeout` itself in the end, and dies with its group
    return f"exec {shlex.join(['sh', '-c', _LIMITED, str(KILL_AFTER_S), str(seconds), *words])}"
