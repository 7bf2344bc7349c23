"""A device that does not run our script to its end: the client's own reason, a login that is no shell, a lost line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edgecompress.devices.wire.channel import Channel
from edgecompress.devices.wire.client import GRACE_S, Finished, last_line
from edgecompress.errors import DeviceError, DeviceGone

if TYPE_CHECKING:
    from edgecompress.devices.wire.transport import Transport

BEGIN_TIMEOUT_S = 30.0  # to connect, log in and start a shell

# What an account says that has no shell for us, and what to do about it on the device.
_LOGINS = (
    ("not available", "Give the account a shell: `sudo chsh -s /bin/sh USER` on the device."),
    ("sftp", "Take `ForceCommand internal-sftp` away from this account in its sshd_config, or use another account."),
    ("scp", "Give the account a whole shell, or use another account."),
    ("", "Is there a `ForceCommand` in its sshd_config, or a `command=` in its authorized_keys?"),
)
_SILENT = "Its shell may be /bin/false, or its .bashrc may `exit` where no terminal is."
_WAITING = (
    "Does its .bashrc start a menu, tmux or a password agent? Begin it with: `case $- in *i*) ;; *) return ;; esac`."
)


def await_shell(transport: Transport, channel: Channel) -> None:
    """Wait until a device's shell has begun with our script.

    Raises:
        DeviceError: the device refuses us, or runs something else; DeviceGone if it took us in before.
    """
    deadline = time.monotonic() + BEGIN_TIMEOUT_S
    while not channel.begun:
        if channel.closed:
            raise _refusal(transport, channel)
        if not channel.wait(deadline):
            said = noise(channel)
            reason = f"it says '{said}'" if said else "it says nothing"
            raise DeviceError(f"The login of {transport.address} waits for something: {reason}.", hint=_WAITING)


def went_away(transport: Transport, channel: Channel, doing: str) -> DeviceGone:
    """Return the sentence for a script whose end mark never came."""
    channel.exit_status(timeout_s=GRACE_S)
    said = bytes(channel.said["err"]).decode(errors="replace")
    reason = f": {last_line(said)}" if said.strip() else ""
    return DeviceGone(f"{transport.address} went away in the middle of {doing}{reason}.", hint="Is it still connected?")


def _refusal(transport: Transport, channel: Channel) -> DeviceError:
    status = channel.exit_status(timeout_s=GRACE_S)
    said = channel.marks["err"].unexpected.decode(errors="replace")
    if error := transport.refusal(Finished(255 if status is None else status, "", said)):
        return DeviceGone(error.message, hint=error.hint) if transport.was_in else error
    shown = noise(channel)
    if not shown and transport.was_in:
        return DeviceGone(f"{transport.address} went away.", hint="Is it still connected?")
    if not shown:
        hint = _SILENT if transport.address.kind == "ssh" else "Is it still connected?"
        return DeviceError(f"{transport.address} runs no shell for us, and says nothing.", hint=hint)
    hint = next(hint for words, hint in _LOGINS if words in shown)
    return DeviceError(f"{transport.address} runs no shell for us: it says '{shown}'.", hint=hint)


def noise(channel: Channel) -> str:
    """Return the last line of what a login said before our script began, for a person."""
    said = (channel.marks[name].unexpected.decode(errors="replace").strip() for name in ("out", "err"))
    return next((last_line(text) for text in said if text), "")
