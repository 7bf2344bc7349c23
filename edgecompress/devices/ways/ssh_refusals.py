"""What ssh says when it does not get in, and what to do about it."""

from __future__ import annotations

from edgecompress.devices.address import Address
from edgecompress.errors import DeviceError

_REASONS = (  # what ssh says, what it means, what to try
    (
        "Host key verification failed",
        "has a host key that is unknown or has changed",
        "Connect once by hand: `ssh {}`.",
    ),
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", "has another host key than before", "Connect once by hand: `ssh {}`."),
    ("Permission denied", "does not let us in without a password", "Set up a key: `ssh-copy-id {}`."),
    ("Could not resolve hostname", "cannot be found by its name", "Is the name right, and the device on?"),
    ("Connection refused", "refuses connections", "Is its ssh server running, and the port right?"),
    ("timed out", "does not answer", "Is it on, and in the same network?"),
    ("No route to host", "cannot be reached", "Is it on, and in the same network?"),
)


def known(address: Address, said: str) -> DeviceError | None:
    """Return the sentence for ssh's own words; None if they are not among those that we know."""
    for words, meaning, hint in _REASONS:
        if words in said:
            return DeviceError(f"{address} {meaning}.", hint=hint.format(address.target))
    return None
