"""Hold the clocks of a device steady for a while, and give them back whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
echo "set: $(cat policy*/scaling_governor 2>/dev/null | sort -u | tr '\n' ' ')${fixed:+fixed-performance mode}"
read -r wait
"""


@contextmanager
def governor(transport: Transport, name: str, *, folder: str = FOLDER) -> Iterator[str]:
    """Set every cluster's governor for the length of a block; yields what the device says it is then.

    `folder` is where the device has its clusters.

    Raises:
        DeviceError: the device has no governors, or does not let us set them.
    """
    holding = transport.converse(["sh", "-c", _SCRIPT, "sh", name, folder], timeout_s=LONGEST_S)
    try:
        said = holding.receive(timeout_s=ANSWER_TIMEOUT_S) or ""
        state, _, detail = said.partition(": ")
        if state != "set":
            raise DeviceError(
                f"The governor '{name}' cannot be set on {transport.address}: {detail or 'no answer'}.",
                hint="It takes root, a `sudo -n` without a password, or Android 11 and `--set-governor performance`.",
            )
        yield detail.strip()[:200]
    finally:
        holding.finish()
