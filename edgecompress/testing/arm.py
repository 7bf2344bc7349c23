"""Programs for aarch64, built as those for devices are and run on this machine by QEMU with Debian's C library."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgecompress.devices.ways.emulated import LIBRARIES, PACKAGES, QEMU
from edgecompress.native.build import GLIBC, cache_folder

EMULATOR = (QEMU, "-L", str(LIBRARIES.parent))
needs_arm = pytest.mark.skipif(
    shutil.which(QEMU) is None or not LIBRARIES.is_dir(),
    reason=f"what runs programs for aarch64 is missing: {PACKAGES}",
)


def build_for_arm(sources: Sequence[Path], program: Path, *flags: str) -> None:
    """Compile C, with the cache of compiled C libraries that programs for devices are compiled with."""
    target = f"aarch64-linux-gnu.{GLIBC[0]}.{GLIBC[1]}"
    words = [sys.executable, "-m", "ziglang", "cc", "-target", target, *flags, *map(str, sources), "-o", str(program)]
    folder = str(cache_folder() / "zig")
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
