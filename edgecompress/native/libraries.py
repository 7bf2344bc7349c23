"""The runtimes' shared libraries for a device, out of pinned wheels: fetched once, checked by hash."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgecompress.errors import DeviceError
from edgecompress.native.cache import cache_folder
from edgecompress.storage import sha256_of, written_whole

FETCH_TIMEOUT_S = 600
PYTHON = "3.11"  # of the wheels; the libraries in them do not depend on it
_NO_WHEELS = "for which LiteRT and ONNX Runtime publish no wheels"
_BITS_32 = ("armv", "i386", "i486", "i586", "i686")
_PI = "Install Raspberry Pi OS (64-bit) on the card"
_SYSTEM = {  # by how `uname -m` begins
    "aarch64": f"{_PI}, or another 64-bit system that the board has.",
    "armv6": "No 64-bit system runs on its processor; on a Raspberry Pi 3, Zero 2 or later it does.",
    "armv": f"{_PI}, if its processor has 64 bits, as from Raspberry Pi 3 and Zero 2 on.",
    "x86_64": "Install a 64-bit system on it.",
}
_TAGS = ("manylinux_2_28", "manylinux_2_27", "manylinux2014")


@dataclass(frozen=True)
class Library:
    """A shared library in a wheel."""

    runtime: Literal["litert", "onnx"]
    package: str
    version: str
    machine: str
    wheel_sha256: str
    member: str
    sha256: str  # of the member
    glibc: tuple[int, int]  # the newest symbol version in it, by `readelf -V`, whatever the wheel's tag says

    @property
    def label(self) -> str:
        """Name and version, as a measurement says them."""
        return f"{'LiteRT' if self.runtime == 'litert' else 'ONNX Runtime'} {self.version}"


def _litert(machine: str, wheel_sha256: str, sha256: str, glibc: tuple[int, int]) -> Library:
    member = "ai_edge_litert/libLiteRt.so"
    return Library("litert", "ai-edge-litert", "2.3.0", machine, wheel_sha256, member, sha256, glibc)


def _onnx(machine: str, wheel_sha256: str, sha256: str, glibc: tuple[int, int]) -> Library:
    member = "onnxruntime/capi/libonnxruntime.so.1.31.1"
    return Library("onnx", "onnxruntime", "1.31.1", machine, wheel_sha256, member, sha256, glibc)


LIBRARIES = (
    _litert(
        "x86_64",
        "1f15078a6725d2357d9de9221664c29afa0545d807559c5f7199ce5e40b96b23",
        "eec47eb35e2924b3166015887e652a58edc9af823ae38e02bf83bef2548300bb",
        (2, 27),
    ),
    _litert(
        "aarch64",
        "853fc608f96da87bd5f3458465dfb9abbf18d5ae6b94eceacead407146f175ae",
        "b57687dc234d2b8b0598aef5a9c961ed24263df8f8b3f56adbee1cff618e544b",
        (2, 34),
    ),
    _onnx(
        "x86_64",
        "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
        "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
        (2, 28),
    ),
    _onnx(
        "aarch64",
        "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
        "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
        (2, 28),
    ),
)


def library_for(runtime: str, machine: str, *, device: str, bits: int | None = None) -> Library:
    """Return the library of a runtime for a machine, as `uname -m` says it, whose programs have so many `bits`.

    Raises:
        DeviceError: there is none; 32-bit systems have no wheels.
    """
    found = next((each for each in LIBRARIES if (each.runtime, each.machine) == (runtime, machine)), None)
    if found and bits != 32:
        return found
    if found:
        why, hint = f"has a 64-bit kernel and a 32-bit system, {_NO_WHEELS}", _SYSTEM[machine]
    elif machine.startswith(_BITS_32):
        why = f"is a 32-bit system, {_NO_WHEELS}"
        hint = next((hint for start, hint in _SYSTEM.items() if machine.startswith(start)), _SYSTEM["x86_64"])
    elif machine:
        why, hint = f"has a {machine[:40]} processor, for which there is no runtime", "Measure on 64-bit Arm or x86-64."
    else:
        why, hint = "does not tell which processor it has", "`uname -m` there has to say it: aarch64 or x86_64."
    raise DeviceError(f"{device} {why}.", hint=hint)


def require_glibc(library: Library, found: tuple[int, int] | None, *, device: str, libc: str = "") -> None:
    """Refuse a device whose C library is too old, or another one, whose name is `libc`.

    Raises:
        DeviceError: it is.
    """
    needed = ".".join(map(str, library.glibc))
    if found is None:
        has = f"the C library {libc}, and no GNU C library" if libc else "no GNU C library"
        raise DeviceError(
            f"{device} has {has}; {library.label} needs {needed} or newer.",
            hint="Install a system that has it, such as Debian 12 or Raspberry Pi OS (64-bit).",
        )
    if found < library.glibc:
        raise DeviceError(
            f"{device} has the GNU C library {found[0]}.{found[1]}; {library.label} needs {needed} or newer.",
            hint="Debian 12, Raspberry Pi OS Bookworm and Ubuntu 22.04 have one; Bullseye and 20.04 do not.",
        )


def library_file(library: Library) -> Path:
    """Return the library's file: the installed package's if it is the same, else fetched and cached.

    Raises:
        DeviceError: it cannot be fetched, or is not what it should be.
    """
    installed = _installed(library)
    if installed is not None and sha256_of(installed) == library.sha256:
        return installed
    path = cache_folder() / library.sha256 / Path(library.member).name
    if not path.is_file() or sha256_of(path) != library.sha256:
        _fetch(library, path)
    return path


def _installed(library: Library) -> Path | None:
    spec = importlib.util.find_spec(library.member.split("/")[0])
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder).parent / library.member
        if path.is_file():
            return path
    return None


def _fetch(library: Library, path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="edgecompress-") as folder:
        requirement = Path(folder) / "requirement.txt"
        requirement.write_text(f"{library.package}=={library.version} --hash=sha256:{library.wheel_sha256}\n")
        platforms = [word for tag in _TAGS for word in ("--platform", f"{tag}_{library.machine}")]
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download"]
        command += ["--only-binary=:all:", "--no-deps", "--python-version", PYTHON, *platforms]
        command += ["--require-hashes", "--requirement", str(requirement), "--dest", folder]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S
            )
        except subprocess.TimeoutExpired as error:
            raise DeviceError(f"{library.label} for {library.machine} could not be fetched in time.") from error
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no reason given"]
            raise DeviceError(
                f"{library.label} for {library.machine} cannot be fetched: {lines[-1][:300]}",
                hint="It comes from the package index; is there a network?",
            )
        with written_whole(path) as beside, zipfile.ZipFile(wheels[0]) as wheel:
            beside.write_bytes(wheel.read(library.member))
            if sha256_of(beside) != library.sha256:
                raise DeviceError(f"{library.label} for {library.machine} is not the file that was pinned.")
    path.chmod(0o755)
