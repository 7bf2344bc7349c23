"""Root file systems of an emulated Raspberry Pi and of an emulated phone, both for 64-bit Arm."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from edgecompress.errors import DeviceError

# busybox and mksh, the shell that Android has, are for the phone; there is a static program of each.
PACKAGES = (
    *("bash", "busybox-static", "coreutils", "dash", "findutils", "grep", "libc-bin", "libc6", "libgcc-s1"),
    *("libstdc++6", "mawk", "mksh", "procps", "sed", "util-linux"),
)
TIME_LIMIT_S = 300
NODES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
DESCRIPTORS = {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}

APPLETS = (
    *("[", "awk", "basename", "cat", "chgrp", "chmod", "chown", "cmp", "cp", "cut", "date", "dd", "df", "diff"),
    *("dirname", "du", "echo", "env", "expr", "false", "find", "free", "grep", "gunzip", "gzip", "head"),
    *("hostname", "id", "kill", "killall", "ln", "ls", "md5sum", "mkdir", "mktemp", "more", "mount", "mv"),
    *("nproc", "od", "paste", "pidof", "printf", "ps", "pwd", "readlink", "realpath", "renice", "rm"),
    *("rmdir", "sed", "seq", "setsid", "sha1sum", "sha256sum", "sleep", "sort", "stat", "sync", "tail", "tar"),
    *("taskset", "tee", "test", "time", "timeout", "top", "touch", "tr", "true", "uname", "uniq", "uptime", "wc"),
    *("which", "whoami", "xargs", "xxd", "yes"),
)
PROPERTIES = {
    "ro.product.manufacturer": "Emulated",
    "ro.product.brand": "emulated",
    "ro.product.model": "Emulated Phone",
    "ro.product.device": "emulated",
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.product.cpu.abilist": "arm64-v8a",
    "ro.serialno": "EMULATED0001",
    "ro.soc.manufacturer": "QTI",
    "ro.soc.model": "SM8350",
    "ro.build.version.release": "14",
    "ro.build.version.sdk": "34",
}
SERVICES = {
    "battery": """Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  Dock powered: false
  Max charging current: 500000
  Max charging voltage: 5000000
  Charge counter: 3290000
  status: 2
  health: 2
  present: true
  level: 83
  scale: 100
  voltage: 4123
  temperature: 281
  technology: Li-ion
""",
    "power": """POWER MANAGER (dumpsys power)

Power Manager State:
  mDirty=0x0
  mWakefulness=Awake
  mWakefulnessChanging=false
  mIsPowered=true
  mPlugType=2
  mBatteryLevel=83
  mStayOn=false
  mLowPowerModeEnabled=false
""",
    "thermalservice": """IsStatusOverride: false
ThermalEventListeners:
\tcallbacks: 2
\tkilled: false
\tbroadcasts count: -1
Thermal Status: 0
Cached temperatures:
\tTemperature{mValue=41.2, mType=0, mName=CPU0, mStatus=0}
\tTemperature{mValue=43.9, mType=0, mName=CPU7, mStatus=0}
\tTemperature{mValue=28.1, mType=2, mName=battery, mStatus=0}
\tTemperature{mValue=33.5, mType=3, mName=skin, mStatus=0}
HAL Ready: true
HAL connection:
\tThermalHAL 2.0 connected: yes
Current temperatures from HAL:
\tTemperature{mValue=41.2, mType=0, mName=CPU0, mStatus=0}
\tTemperature{mValue=43.9, mType=0, mName=CPU7, mStatus=0}
\tTemperature{mValue=28.1, mType=2, mName=battery, mStatus=0}
\tTemperature{mValue=33.5, mType=3, mName=skin, mStatus=0}
Current cooling devices from HAL:
\tCoolingDevice{mValue=0, mType=2, mName=thermal-cpufreq-0}
\tCoolingDevice{mValue=0, mType=2, mName=thermal-cpufreq-7}
""",
}
GETPROP = '#!/system/bin/sh\ncase "$1" in\n\'\') cat /system/build.prop.listing ;;\n{cases}*) echo "$2" ;;\nesac\n'
DUMPSYS = """#!/system/bin/sh
case "$1" in
battery|power|thermalservice) cat "/system/etc/dumpsys/$1" ;;
*) echo "Can't find service: $1" >&2; exit 1 ;;
esac
"""
RECORDER = '#!/system/bin/sh\necho "${0##*/} $*" >> /data/local/tmp/.calls\n'


def enable_emulation() -> None:
    """Have the kernel run programs for 64-bit Arm by QEMU, below any root; needs the superuser."""
    table = Path("/proc/sys/fs/binfmt_misc")
    hint = "Run as root: apt-get install qemu-user-static binfmt-support, with CAP_SYS_ADMIN."
    entry = table / "qemu-aarch64"
    with (Path(tempfile.gettempdir()) / "edgecompress-emulation.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the groups of tests begin at the same time
        if not (table / "register").exists():
            run_tool(["mount", "-t", "binfmt_misc", "binfmt_misc", str(table)], hint=hint)
        if not entry.exists():
            run_tool(["update-binfmts", "--enable", "qemu-aarch64"], hint=hint)
    words = entry.read_text().split()
    if "enabled" not in words or "F" not in words[words.index("flags:") + 1]:
        raise DeviceError(
            f"{entry} should be enabled and open its interpreter at once (flag F), has {words}.", hint=hint
        )


def make_roots(folder: Path) -> None:
    """Make `folder/pi` and `folder/phone`, unless they are there as this recipe makes them; needs the superuser."""

    def make() -> None:
        make_board(folder / "pi", arch="arm64", packages=PACKAGES)
        _make_phone(folder / "phone", pi=folder / "pi")

    make_once(folder, ("pi", "phone"), Path(__file__).read_bytes(), make)


def make_once(folder: Path, names: Sequence[str], recipe: bytes, make: Callable[[], None]) -> None:
    """Make the roots of these names in `folder` anew, unless the same recipe has made them there already."""
    expected = hashlib.sha256(recipe + suite().encode()).hexdigest()
    stamp = folder / "recipe.sha256"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == expected:
            return
        stamp.unlink(missing_ok=True)
        for name in names:
            _remove(folder / name)
        make()
        stamp.write_text(expected)


def make_board(root: Path, *, arch: str, packages: Sequence[str], of: str = "", mirrors: Sequence[str] = ()) -> None:
    """Extract packages of a version of Debian, this machine's by default; to configure them would take minutes."""
    command = ["mmdebstrap", "--quiet", f"--arch={arch}", "--variant=extract", f"--include={','.join(packages)}"]
    hint = "Run as root, with Debian's archive in reach: apt-get install mmdebstrap."
    run_tool([*command, of or suite(), str(root), *mirrors], hint=hint)
    finish_board(root)
    if not (root / "usr/bin/awk").exists():  # Debian makes this link when it configures mawk
        (root / "usr/bin/awk").symlink_to("mawk")


def finish_board(root: Path) -> None:
    """Make the folders, the devices and the accounts of a board."""
    make_folders(root, {"proc": 0o555, "sys": 0o555, "root": 0o700, "tmp": 0o1777, "dev": 0o755, "etc": 0o755})
    _make_nodes(root / "dev")
    shell = "/bin/bash" if (root / "bin/bash").exists() else "/bin/sh"
    (root / "etc/passwd").write_text(f"root:x:0:0:root:/root:{shell}\nnobody:x:65534:65534::/:/usr/sbin/nologin\n")
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (root / "etc/hostname").write_text("raspberrypi\n")


def suite() -> str:
    """Return the name of this machine's version of Debian, of which roots are made."""
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "stable")


def _make_phone(root: Path, *, pi: Path) -> None:
    """Lay out what Android has, without /lib and /tmp: no program finds its libraries by chance."""
    make_folders(root, {"proc": 0o555, "sys": 0o555, "dev": 0o755, "data": 0o771, "data/local": 0o751})
    make_folders(root, {"data/local/tmp": 0o777, "system": 0o755, "system/bin": 0o755, "system/etc/dumpsys": 0o755})
    (root / "bin").symlink_to("/system/bin")
    (root / "etc").symlink_to("/system/etc")
    _make_nodes(root / "dev")
    programs, settings = root / "system/bin", root / "system/etc"
    shutil.copy2(pi / "bin/busybox", programs / "busybox")
    shutil.copy2(pi / "usr/lib/aarch64-linux-musl/bin/mksh", programs / "sh")
    for applet in APPLETS:
        (programs / applet).symlink_to("busybox")
    cases = "".join(f"{key}) echo '{value}' ;;\n" for key, value in PROPERTIES.items())
    listing = "".join(f"[{key}]: [{value}]\n" for key, value in sorted(PROPERTIES.items()))
    (root / "system/build.prop.listing").write_text(listing)
    scripts = {"getprop": GETPROP.format(cases=cases), "dumpsys": DUMPSYS, "cmd": RECORDER, "svc": RECORDER}
    for name, script in scripts.items():
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    for service, text in SERVICES.items():
        (settings / "dumpsys" / service).write_text(text)
    (settings / "passwd").write_text("root:x:0:0::/:/system/bin/sh\nshell:x:2000:2000::/:/system/bin/sh\n")
    (settings / "group").write_text("root:x:0:\nshell:x:2000:\n")


def make_folders(root: Path, modes: dict[str, int]) -> None:
    """Make folders below a root, each with its mode."""
    for path, mode in modes.items():
        (root / path).mkdir(parents=True, exist_ok=True)
        (root / path).chmod(mode)  # mkdir's own mode is subject to the umask


def _make_nodes(folder: Path) -> None:
    for name, (major, minor) in NODES.items():
        if not (folder / name).exists():
            os.mknod(folder / name, stat.S_IFCHR, os.makedev(major, minor))
        (folder / name).chmod(0o666)
    for name, number in DESCRIPTORS.items():
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"/proc/self/fd{number}")


def _remove(root: Path) -> None:
    if any(os.path.ismount(root / path) for path in ("proc", "sys")):
        raise DeviceError(
            f"{root} is to be made anew, but something is mounted in it.", hint=f"Unmount it: umount -R {root}/*."
        )
    if root.exists():
        shutil.rmtree(root)


def run_tool(command: list[str], *, hint: str) -> None:
    """Run one of the system's programs within a time limit; what goes wrong becomes a DeviceError."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"{command[0]} did not run: {error}.", hint=hint) from error
    if done.returncode:
        raise DeviceError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}", hint=hint)
