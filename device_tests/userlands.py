"""Systems that a board may have: an old Debian with busybox alone, and others with things taken away, or put in.

All but one are of this machine's processor, and need no emulation.
"""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from device_tests.machines import Machine, write_machine
from device_tests.rootfs import make_once, run_tool

OLD = "bullseye"  # its busybox is 1.30, and its C library too old for LiteRT on 64-bit Arm
PACKAGES = ("busybox-static", "libc-bin", "libc6", "libgcc-s1", "libstdc++6")
ARCHITECTURES = {"old": "amd64", "old-arm64": "arm64"}
HINT = "Run as root, with Debian's archive in reach: apt-get install mmdebstrap."


@dataclass(frozen=True)
class Userland:
    """A system: a root that was made, or this machine's, and what is other in it."""

    base: str = ""  # below the folder of all that are made; empty: this machine's
    removed: tuple[str, ...] = ()  # patterns of paths
    programs: Mapping[str, str] = field(default_factory=dict)  # scripts by their paths
    mounts: Mapping[str, str] = field(default_factory=dict)  # options of file systems of their own, by their folders
    machine: Machine | None = None  # whose /sys and /proc it has; None: this machine's


def make_userlands(folder: Path) -> None:
    """Make the systems below `folder`, unless they are there as this recipe makes them; needs the superuser."""

    def make() -> None:
        for name, architecture in ARCHITECTURES.items():
            _make_old(folder / name, architecture)

    make_once(folder, tuple(ARCHITECTURES), Path(__file__).read_bytes(), make)


def lay(userland: Userland, place: Path, *, bases: Path) -> Path:
    """Lay a system out below `place`, over what it is made from, which stays as it is; returns its root."""
    upper, work, root = (place / name for name in ("upper", "work", "root"))
    for each in (upper, work, root):
        each.mkdir(parents=True)
    lower = bases / userland.base if userland.base else Path("/")
    _mount("-t", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", "overlay", str(root))
    for pattern in userland.removed:
        for path in list(root.glob(pattern)):
            path.unlink()
    for name, text in userland.programs.items():
        write_program(root / name, text)
    for name in ("proc", "sys", "dev", "tmp", "var/tmp", "home"):
        (root / name).mkdir(parents=True, exist_ok=True)
    _mount("-t", "proc", "proc", str(root / "proc"))
    _mount("--bind", "/dev", str(root / "dev"))
    if userland.machine:
        write_machine(place / "machine", userland.machine)
        _mount("--bind", str(place / "machine/sys"), str(root / "sys"))
        for name in ("cpuinfo", "loadavg"):
            if (place / "machine" / name).exists():
                _mount("--bind", str(place / "machine" / name), str(root / "proc" / name))
    else:
        _mount("--bind", "/sys", str(root / "sys"))
    for name, mode in (("tmp", "1777"), ("var/tmp", "1777"), ("dev/shm", "1777"), ("home", "755")):
        _mount("-t", "tmpfs", "-o", f"mode={mode}", "tmpfs", str(root / name))
    for name, options in userland.mounts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        _mount("-t", "tmpfs", "-o", options, "tmpfs", str(root / name))
    return root


def write_program(path: Path, script: str) -> None:
    """Write a script that can be run, whatever was there before."""
    path.unlink(missing_ok=True)  # it may be a link to what all others are
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script)
    path.chmod(0o755)


def _make_old(root: Path, architecture: str) -> None:
    """An older Debian's libraries, and nothing but busybox to use them."""
    command = ["mmdebstrap", "--quiet", f"--arch={architecture}", "--variant=extract"]
    mirror = f"deb http://deb.debian.org/debian {OLD} main"
    run_tool([*command, f"--include={','.join(PACKAGES)}", OLD, str(root), mirror], hint=HINT)
    busybox = (root / "bin/busybox").read_bytes()
    for folder in ("bin", "sbin", "usr/bin", "usr/sbin"):
        for path in (root / folder).iterdir():
            path.unlink()
    _fill(root, busybox)


def _fill(root: Path, busybox: bytes) -> None:
    """Give a root busybox, with a name for each of its programs."""
    (root / "bin").mkdir(exist_ok=True)
    (root / "bin/busybox").write_bytes(busybox)
    (root / "bin/busybox").chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
    listed = subprocess.run([str(root / "bin/busybox"), "--list"], capture_output=True, text=True, check=True)
    for applet in listed.stdout.split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")


def _mount(*words: str) -> None:
    run_tool(["mount", *words], hint="Run as root, with CAP_SYS_ADMIN.")
