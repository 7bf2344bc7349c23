"""Whether a device can run the native runner, known before anything is pushed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgecompress.devices.probe import DeviceInfo
from edgecompress.devices.ways.emulated import LIBRARIES, PACKAGES, EmulatedTransport
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError
from edgecompress.native.build import require_compiler
from edgecompress.native.libraries import Library, library_for, require_glibc

LOADER = "ld-linux-aarch64.so.1"
# What LiteRT's and ONNX Runtime's libraries ask for, by `readelf -d`.
C_LIBRARIES = (
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libstdc++.so.6",
    "libgcc_s.so.1",
)


def library_on(transport: Transport, info: DeviceInfo, runtime: str) -> Library:
    """Return the library of a runtime that a device loads.

    Raises:
        DeviceError: there is none for its processor or its system.
    """
    emulated = isinstance(transport, EmulatedTransport)
    device = str(transport.address)
    library = library_for(runtime, "aarch64" if emulated else info.machine, device=device, bits=info.bits)
    if not (info.android or emulated):
        require_glibc(library, info.glibc, device=device, libc=info.libc)
    return library


def own_c_library(machine: str) -> dict[str, Path]:
    """Return the files of the GNU C library that Android gets, whose own cannot load the runtimes.

    Raises:
        DeviceError: this machine has none for that processor.
    """
    if machine != "aarch64":
        raise DeviceError(f"There is no runner for Android on {machine}.", hint="Use a phone with 64-bit Arm.")
    found = {name: LIBRARIES / name for name in (LOADER, *C_LIBRARIES)}
    if not all(path.is_file() for path in found.values()):
        raise DeviceError(
            f"Android needs the GNU C library beside the runner, and this machine has none for aarch64 ({LIBRARIES}).",
            hint=f"`sudo apt-get install {PACKAGES.partition(' ')[2]}`.",
        )
    return found


def loader_words(info: DeviceInfo, where: Mapping[str, str]) -> list[str]:
    """Return the words before a program's own: on Android the loader of our C library, which lies `where` it says."""
    if not info.android:
        return []
    folders = ":".join(dict.fromkeys(where[name].rpartition("/")[0] for name in C_LIBRARIES))
    return [where[LOADER], "--library-path", folders]


def why_not_native(transport: Transport, info: DeviceInfo, runtime: str) -> DeviceError | None:
    """Return why the native runner cannot run there, or not be built here; None if nothing is known against it."""
    try:
        library = library_on(transport, info, runtime)
        require_compiler(library.machine)
        if info.android:
            own_c_library(library.machine)
    except DeviceError as error:
        return error
    return None
