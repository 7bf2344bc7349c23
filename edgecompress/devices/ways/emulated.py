"""An Arm processor that QEMU's user emulation makes, for everyone who has no device: it counts, and keeps no time.

LiteRT and ONNX Runtime look at /proc/cpuinfo and /sys to choose their kernels. QEMU shows a program the files below
the folder given with -L before the host's own, so that a made machine needs no privileges.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from edgecompress.devices.address import Address
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.errors import DeviceError

LIBRARIES = Path("/usr/aarch64-linux-gnu/lib")  # where Debian and Ubuntu put the C library for another processor
QEMU = "qemu-aarch64"
VERSION_TIMEOUT_S = 10.0
PACKAGES = "qemu-user libc6-arm64-cross libstdc++6-arm64-cross libgcc-s1-arm64-cross"

# The part number says which core it is. It is the Cortex-A72's for all: XNNPACK then chooses by instruction set alone,
# where with the true numbers it takes kernels that are tuned to the pipeline of an A53 or A76, and spend instructions
# to save stalls. A count would hold that against them.
_PART = "0xd08"
_V8_0 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
_V8_2 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
_FEATURES = {"cortex-a53": _V8_0, "cortex-a72": _V8_0, "cortex-a76": _V8_2, "max": f"{_V8_2} i8mm bf16"}
_CORES = 4
_FIRST_WITH_SME = (7, 1)  # of QEMU's versions; earlier ones know neither the extension nor the option


class EmulatedTransport(LocalTransport):
    """This machine's shell and files; programs for aarch64 run behind `emulator`."""

    def __init__(self, address: Address) -> None:
        super().__init__()
        self.address = address
        if shutil.which(QEMU) is None or not LIBRARIES.is_dir():
            missing = QEMU if shutil.which(QEMU) is None else str(LIBRARIES)
            raise DeviceError(
                f"{address} cannot be emulated: {missing} is missing.", hint=f"`sudo apt-get install {PACKAGES}`."
            )
        self._root = tempfile.TemporaryDirectory(prefix="edgecompress-machine-")
        _make_machine(Path(self._root.name), address.target)

    def emulator(self, plugin: Path, counts: Path) -> list[str]:
        """Return the words before an aarch64 command; `plugin` writes its counts to the file `counts`."""
        for path in (plugin, counts):
            if "," in str(path):  # QEMU's own separator
                raise DeviceError(f"'{path}' must not have a comma in it.", hint="Set TMPDIR to another folder.")
        cpu = _processor(self.address.target)
        return [QEMU, "-L", self._root.name, "-cpu", cpu, "-plugin", f"{plugin},out={counts}"]

    def close(self) -> None:
        """Remove the made machine."""
        self._root.cleanup()


@cache
def _processor(cpu: str) -> str:
    """What QEMU is told of a processor: its name, and for the greatest that it is without Arm's matrix extension, SME.

    LiteRT's int8 kernels for SME compute garbage on the one that QEMU 7.2 emulates.
    """
    if cpu != "max":
        return cpu
    said = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=False, timeout=VERSION_TIMEOUT_S)
    found = re.search(r"version (\d+)\.(\d+)", said.stdout)
    return "max" if found and (int(found[1]), int(found[2])) < _FIRST_WITH_SME else "max,sme=off"


def _make_machine(root: Path, cpu: str) -> None:
    """Write what programs read of a machine with four equal cores."""
    (root / "lib").symlink_to(LIBRARIES)
    lines = f"BogoMIPS\t: 108.00\nFeatures\t: {_FEATURES[cpu]}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
    lines += f"CPU variant\t: 0x0\nCPU part\t: {_PART}\nCPU revision\t: 3\n\n"
    files = {"proc/cpuinfo": "".join(f"processor\t: {core}\n{lines}" for core in range(_CORES))}
    cores = "sys/devices/system/cpu"
    files |= {f"{cores}/{name}": f"0-{_CORES - 1}\n" for name in ("possible", "present", "online")}
    files[f"{cores}/kernel_max"] = f"{_CORES - 1}\n"
    for core in range(_CORES):
        files[f"{cores}/cpu{core}/topology/core_siblings_list"] = f"0-{_CORES - 1}\n"
        files[f"{cores}/cpu{core}/cpufreq/cpuinfo_max_freq"] = "1500000\n"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
