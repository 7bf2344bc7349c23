"""Hold the clocks of a device steady for a while, and give them back whatever happens."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from edgecompress.devices.answers import whole
from edgecompress.devices.holding.leftovers import end_earlier
from edgecompress.devices.wire.conversation import Conversation
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError

LONGEST_S = 4 * 3600
ANSWER_TIMEOUT_S = 20

FOLDER = "/sys/devices/system/cpu/cpufreq"

# Runs on the device until its input closes, so that the governors come back even when the host dies or the cable is
# pulled. Who may not write the files may have a `sudo` that asks for no password, as Raspberry Pi OS sets it up. On a
# phone without root, Android's own switch (API 30) takes their place. $1: the governor; $2: the policies' folder.
_SCRIPT = r"""
cd "$2" 2>/dev/null
was=$(for each in policy*/scaling_governor; do [ -r "$each" ] && echo "$each=$(cat "$each")"; done)
fixed=
put() {
  { echo "$1" > "$2"; } 2>/dev/null && return
  command -v sudo >/dev/null 2>&1 && echo "$1" | sudo -n tee "$PWD/$2" >/dev/null 2>&1
}
restore() {
  trap '' EXIT HUP INT TERM PIPE
  for each in $was; do put "${each#*=}" "${each%%=*}"; done
  [ -n "$fixed" ] && cmd power set-fixed-performance-mode-enabled false >/dev/null 2>&1
  exit 0
}
trap restore EXIT HUP INT TERM PIPE
failed=
for each in $was; do put "$1" "${each%%=*}" || failed=1; done
if [ -z "$was" ] || [ -n "$failed" ]; then
  if [ "$1" = performance ] && [ -x /system/bin/cmd ] &&
    cmd power set-fixed-performance-mode-enabled true >/dev/null 2>&1
  then fixed=1
  elif [ -z "$was" ]; then echo "none: it has no governors"; exit 0
  else echo "none: not permitted, or there is no such governor"; exit 0
  fi
fi
echo "set $$: $(cat policy*/scaling_governor 2>/dev/null | sort -u | tr '\n' ' ')${fixed:+fixed-performance mode}"
read -r wait
"""


@contextmanager
def governor(transport: Transport, name: str, *, folder: str = FOLDER) -> Iterator[str]:
    """Set every cluster's governor for the length of a block; yields what the device says it is then.

    `folder` is where the device has its clusters. After a lost connection it is set again.

    Raises:
        DeviceError: the device has no governors, or does not let us set them.
    """
    setting = _Setting(transport, name, folder)
    try:
        said = setting.take()
        transport.on_return.append(setting.take)
        yield said
    finally:
        with suppress(ValueError):
            transport.on_return.remove(setting.take)
        setting.let_go()


class _Setting:
    """A governor that a process on the device holds."""

    def __init__(self, transport: Transport, name: str, folder: str) -> None:
        self._transport, self._name, self._folder = transport, name, folder
        self._token = secrets.token_hex(8)
        self._pid: int | None = None
        self._conversation: Conversation | None = None

    def take(self) -> str:
        """Set it; a process that a lost connection left behind restores the earlier one first."""
        self.let_go()
        if self._pid is not None:
            end_earlier(self._transport, self._pid, self._token)
        words = ["sh", "-c", _SCRIPT, self._token, self._name, self._folder]
        self._conversation = self._transport.converse(words, timeout_s=LONGEST_S)
        said = self._conversation.receive(timeout_s=ANSWER_TIMEOUT_S) or ""
        state, _, detail = said.partition(": ")
        word, _, pid = state.partition(" ")
        if word != "set":
            raise DeviceError(
                f"The governor '{self._name}' cannot be set on {self._transport.address}: {detail or 'no answer'}.",
                hint="It takes root, a `sudo -n` without a password, or Android 11 and `--set-governor performance`.",
            )
        self._pid = whole(pid)
        return detail.strip()[:200]

    def let_go(self) -> None:
        """Have the process end, which restores what was."""
        if self._conversation:
            conversation, self._conversation = self._conversation, None
            conversation.finish()
