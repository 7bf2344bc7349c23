"""Root file systems of boards that are bad, each in one way, and of a good one; of this machine's own processor.

All but one run without an emulator, so that what a device says of itself is as quick as on a real one.
"""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

from device_tests.rootfs import APPLETS, finish_board, make_board, make_folders, make_once, run_tool, suite

_TOOLS = ("bash", "coreutils", "dash", "findutils", "grep", "libc-bin", "libc6", "mawk", "procps", "sed", "util-linux")
_LIBRARIES = ("libgcc-s1", "libstdc++6")
OLD = "bullseye"  # with a C library too old for LiteRT on Arm, and none too old on x86-64
NAMES = ("good", "bare", "musl", "i386", "old", "old-arm") if platform.machine() == "x86_64" else ()


def make_variants(folder: Path) -> None:
    """Make the roots in `folder`, unless they are there as this recipe makes them; needs the superuser."""

    def make() -> None:
        if not NAMES:
            return
        packages = (*_TOOLS, *_LIBRARIES)
        _make(folder / "good", "amd64", (*packages, "busybox-static", "musl"), suite())
        _make(folder / "i386", "i386", packages, suite())
        _make(folder / "old", "amd64", packages, OLD)
        _make(folder / "old-arm", "arm64", packages, OLD)
        run_tool(["cp", "-a", str(folder / "good"), str(folder / "bare")], hint="Is the disk full?")
        for path in runtime_libraries(folder / "bare"):
            path.unlink()
        _make_musl(folder / "musl", good=folder / "good")

    make_once(folder, NAMES, Path(__file__).read_bytes() + Path(make_once.__code__.co_filename).read_bytes(), make)


def _make(root: Path, arch: str, packages: tuple[str, ...], of: str) -> None:
    """Make a board from the archive alone: its updates may lack an architecture for hours."""
    make_board(root, arch=arch, packages=packages, of=of, mirrors=[f"deb http://deb.debian.org/debian {of} main"])


def runtime_libraries(root: Path) -> list[Path]:
    """Return the files of the C++ library and of the compiler's own, which LiteRT needs."""
    return [path for name in ("libstdc++.so.6*", "libgcc_s.so.1") for path in files_below(root, name)]


def files_below(root: Path, name: str) -> list[Path]:
    """The files of that name on a device, but among its processes, which come and go."""
    places = [place for place in root.iterdir() if place.name != "proc" and not place.is_symlink()]
    return [path for place in places for path in place.rglob(name)]


def _make_musl(root: Path, *, good: Path) -> None:
    """Lay out what Alpine has: busybox, and musl with its loader, which is its `ldd` as well."""
    make_folders(root, {"bin": 0o755, "lib": 0o755, "usr": 0o755, "usr/bin": 0o755})
    shutil.copy2(good / "bin/busybox", root / "bin/busybox")
    for applet in (*APPLETS, "sh"):
        (root / "bin" / applet).symlink_to("busybox")
    loader = next(path for path in good.glob("lib/ld-musl-*.so.1"))
    library = next(path for path in good.glob("lib/*-musl/libc.so"))
    shutil.copy2(library, root / "lib/libc.so")
    (root / "lib" / loader.name).symlink_to("libc.so")
    (root / "usr/bin/ldd").symlink_to(f"/lib/{loader.name}")
    (root / "bin/bash").write_text('#!/bin/sh\nexec sh "$@"\n')  # the login shell of whoever runs sshd here
    (root / "bin/bash").chmod(0o755)
    finish_board(root)
