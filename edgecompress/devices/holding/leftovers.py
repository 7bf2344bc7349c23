"""What a lost connection leaves behind on a device: a process that holds something for us, and is in the way."""

from __future__ import annotations

from edgecompress.devices.wire.transport import Transport

END_TIMEOUT_S = 30.0

# $1: the process; $2: the token in its command line, without which it is another's that has its number now.
_END = r"""
grep -q "$2" "/proc/$1/cmdline" 2>/dev/null || exit 0
kill "$1"
for second in 1 2 3 4 5; do
  [ -d "/proc/$1" ] || exit 0
  sleep 1
done
kill -9 "$1"
"""


def end_earlier(transport: Transport, pid: int, token: str) -> None:
    """End a process that we once started on a device, if it is still there; it may still put things right.

    Raises:
        DeviceError: the device cannot be reached.
    """
    transport.shell(_END, str(pid), token, timeout_s=END_TIMEOUT_S)
