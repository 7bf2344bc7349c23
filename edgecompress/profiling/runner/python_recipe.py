"""A device's Python for the Python runner: whether it has the modules, and how it gets them where it has not.

Since PEP 668, Debian's Python refuses `pip install`, so that they come into a virtual environment.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from weakref import WeakKeyDictionary

from edgecompress.devices.probe import DeviceInfo
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.devices.wire.client import last_line
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError
from edgecompress.native.libraries import LIBRARIES
from edgecompress.profiling.runner.native_fit import library_on, why_not_native

IMPORT_TIMEOUT_S = 120  # from a slow card, for the first time
DEFAULT = "python3"
MODULES = {"litert": "ai_edge_litert.interpreter", "onnx": "onnxruntime"}
_ENVIRONMENT = "edgecompress"  # below the home
_WITH_APT = re.compile("debian|raspbian|ubuntu|mint", re.IGNORECASE)
_MISSING = re.compile(r"No module named '([\w.]{1,60})'")
_NOT_THERE = (126, 127)  # exit statuses of a shell, and of `timeout`

_known: WeakKeyDictionary[Transport, set[tuple[str, str]]] = WeakKeyDictionary()  # Pythons that have a runtime


def python_on(transport: Transport, wanted: str) -> str:
    """Return the program for the Python that the user wants on a device; ~ is the home there."""
    if wanted == DEFAULT and isinstance(transport, LocalTransport):
        return sys.executable
    if wanted.startswith("~/") and (home := transport.greeting.home):
        return f"{home.rstrip('/')}{wanted[1:]}"
    return wanted


def require_modules(transport: Transport, info: DeviceInfo, program: str, runtime: str) -> None:
    """See that a device's Python can import what the runner does; each is asked once.

    Raises:
        DeviceError: it cannot, or there is no such Python.
    """
    known = _known.setdefault(transport, set())
    if (program, runtime) in known or (program == sys.executable and isinstance(transport, LocalTransport)):
        return
    module = MODULES[runtime]
    tried = transport.run([program, "-c", f"import numpy, {module}"], timeout_s=IMPORT_TIMEOUT_S)
    if tried.status == 0:
        known.add((program, runtime))
        return
    library_on(transport, info, runtime)  # where this refuses, there are no packages to install either
    said = last_line(tried.stderr)
    if tried.status in _NOT_THERE:
        why = f"{transport.address} has no {program}"
    elif missing := _MISSING.search(said):
        why = f"{program} on {transport.address} has no module '{missing[1]}'"
    else:
        why = f"{program} on {transport.address} cannot import {module}: {said}"
    native = "" if why_not_native(transport, info, runtime) else "The native runner needs no Python: `--runner native`."
    raise DeviceError(f"{why}.", hint=f"{recipe(transport, info, runtime)} {native}".strip())


def recipe(transport: Transport, info: DeviceInfo, runtime: str) -> str:
    """Return the command that gives a device a Python with a runtime, and the option that names it."""
    if info.android:
        return "Android has no Python of its own."
    library = next(each for each in LIBRARIES if each.runtime == runtime)
    root = "" if info.root else "sudo "
    steps = [
        *([f"{root}apt-get install -y python3-venv"] if _WITH_APT.search(info.system) else []),
        f"python3 -m venv ~/{_ENVIRONMENT}",
        f"~/{_ENVIRONMENT}/bin/pip install {library.package}=={library.version}",
    ]
    command, address = " && ".join(steps), transport.address
    if address.kind == "ssh":
        config, port = os.environ.get("EDGECOMPRESS_SSH_CONFIG"), address.port
        words = ["ssh", "-t", *(["-F", config] if config else []), *(["-p", str(port)] if port else []), address.target]
        command = f"{shlex.join(words)} '{command}'"
    home = transport.greeting.home.rstrip("/")
    return f"`{command}`, then `--device-python {shlex.quote(f'{home}/{_ENVIRONMENT}/bin/python')}`."
