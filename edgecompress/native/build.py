"""C to programs for a device, by the compiler in PyPI's `ziglang`, which serves every target, or else the system's."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from edgecompress.errors import DeviceError
from edgecompress.native.cache import cache_folder
from edgecompress.storage import written_whole

SOURCES = Path(__file__).parent
MACHINES = ("x86_64", "aarch64")
GLIBC = (2, 27)  # the oldest that the programs run on; no runtime asks for an older one
TIMEOUT_S = 300
_FLAGS = ("-std=gnu11", "-O2", "-s", "-Wall", "-Wextra", "-Werror")


def can_build(machine: str = platform.machine()) -> bool:
    """Whether there is a compiler for a machine."""
    return machine in MACHINES and _compiler(machine) is not None


def require_compiler(machine: str) -> tuple[list[str], str]:
    """Return the words that start a compiler for a machine, and its version.

    Raises:
        DeviceError: there is no such target, or no compiler for it.
    """
    if machine not in MACHINES:
        raise DeviceError(
            f"There is no native code for {machine[:40]} processors.",
            hint=f"There is some for {' and '.join(MACHINES)}.",
        )
    if (compiler := _compiler(machine)) is None:
        raise DeviceError(
            f"Native code for {machine} is built by the ziglang package, which is missing.",
            hint=f"`{sys.executable} -m pip install ziglang`.",
        )
    return compiler


def build_runner(machine: str) -> Path:
    """Return the runner for a machine (as `uname -m` says), built now or before.

    Raises:
        DeviceError: there is no such target, no compiler, or it fails.
    """
    return _build("edgecompress-runner", _sources("runner", "include"), machine, ("-ldl",))


def build_instruction_counter(machine: str) -> Path:
    """Return QEMU's plugin that counts instructions, for the machine that QEMU runs on."""
    return _build("libinstruction_count.so", [SOURCES / "instruction_count.c"], machine, ("-shared", "-fPIC"))


def build_binary_kernels(machine: str) -> Path:
    """Return the library of binary kernels, which LiteRT and ONNX Runtime load, for a machine."""
    sources = _sources("binary", "include")
    flags = ("-O3", "-ffp-contract=off", "-fvisibility=hidden", "-shared", "-fPIC", "-pthread", "-ldl")
    return _build("libedgecompress_binary.so", sources, machine, flags)


def build_holder(machine: str) -> Path:
    """Return the program that holds a device's lock, for a machine; it needs no library there."""
    flags = ("-static", "-nostdlib", "-fno-builtin", "-fno-stack-protector")
    return _build("edgecompress-hold", [SOURCES / "hold.c"], machine, flags)


def build_unpacker(machine: str) -> Path:
    """Return the program that unpacks packed files, for a machine."""
    sources = [each for each in _sources("unpack") if each.name != "fuzz.c"]
    return _build("edgecompress-unpack", sources, machine, ("-O3", "-ffp-contract=off"))


def _sources(*folders: str) -> list[Path]:
    return [
        path
        for folder in folders
        for path in sorted((SOURCES / folder).iterdir())
        if path.suffix in (".c", ".h", ".inc")
    ]


def _build(name: str, sources: list[Path], machine: str, flags: tuple[str, ...]) -> Path:
    """Build beside and rename; the name of the folder is the hash of all that goes in."""
    words, version = require_compiler(machine)
    parts = [*words[1:], version, *_FLAGS, *flags, *(each.read_text() for each in sources)]
    path = cache_folder() / hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32] / name
    if path.is_file():
        path.chmod(0o755)  # once more: whoever built it may have been killed before this
        return path
    with written_whole(path) as beside:
        inputs = [str(each) for each in sources if each.suffix == ".c"]
        _compile([*words, *_FLAGS, *inputs, *flags, "-o", str(beside)])
    path.chmod(0o755)
    return path


def _compiler(machine: str) -> tuple[list[str], str] | None:
    """The words that start a compiler for a machine, and its version: ziglang's, or for this one the system's."""
    if importlib.util.find_spec("ziglang") is not None:
        target = f"{machine}-linux-gnu.{GLIBC[0]}.{GLIBC[1]}"
        return [sys.executable, "-m", "ziglang", "cc", "-target", target], metadata.version("ziglang")
    system = shutil.which("cc")
    if system is None or machine != platform.machine():
        return None
    about = subprocess.run([system, "--version"], capture_output=True, text=True, errors="replace", check=False)
    return [system], about.stdout.partition("\n")[0]


def _compile(words: list[str]) -> None:
    folder = str(cache_folder() / "zig")  # its own cache, of compiled C libraries
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder}
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"The compiler did not finish within {TIMEOUT_S} s.") from error
    if done.returncode:
        raise DeviceError(f"Native code cannot be built: {done.stderr.strip()[:1000]}")
