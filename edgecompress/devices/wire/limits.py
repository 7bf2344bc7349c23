"""How a device itself ends a command that takes too long, whichever `timeout` it has, or none."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Sequence

KILL_AFTER_S = 2
TIMED_OUT = 124  # `timeout`'s exit status
ENDED_BY_TIMEOUT = (TIMED_OUT, 128 + signal.SIGTERM, 128 + signal.SIGKILL)  # the latter two are busybox's, and ours

# GNU's, toybox's and newer busybox's; busybox 1.30's; older busybox's; none.
FORMS = (f"timeout -k {KILL_AFTER_S}", "timeout", "timeout -t", "")

# $0: seconds; then the command. It ends one process, not its children, which is what a shell can do. It looks once a
# second and needs no trap, which mksh does not heed if the signal comes just before it waits; where there is no
# `sleep`, nothing is ended.
_WATCHED = """exec 3<&0; "$@" <&3 3<&- & p=$!
( n=$0; while [ $n -gt 0 ]; do sleep 1 || exit; kill -0 $p || exit; n=$((n-1)); done
kill -9 $p ) >/dev/null 2>&1 </dev/null 3<&- & w=$!
exec 3<&-; wait $p; s=$?; kill -9 $w 2>/dev/null; exit $s"""


def limited(words: Sequence[str], timeout_s: float, form: str) -> str:
    """Return the shell command for `words`, each quoted, which the device itself ends after `timeout_s`."""
    seconds = str(_seconds(timeout_s))
    limit = [*form.split(), seconds] if form else ["sh", "-c", _WATCHED, seconds]
    return f"exec {shlex.join([*limit, *words])}"


def was_ended(status: int, took_s: float, timeout_s: float) -> bool:
    """Return whether a command's exit status says that its time was up, and not, say, that memory was."""
    return status in ENDED_BY_TIMEOUT and took_s > _seconds(timeout_s) - 0.5


def _seconds(timeout_s: float) -> int:
    return max(1, round(timeout_s))  # 0 would be no limit at all
