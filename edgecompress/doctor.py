"""What edgecompress finds in its environment, what is missing, and the command that mends it.

Nothing is downloaded, and no library is imported into this process: versions are read from the installed packages'
metadata, and what an import does is asked of a child process.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Literal

from edgecompress import __version__
from edgecompress.devices.conditions import snapshot
from edgecompress.devices.ways.emulated import PACKAGES, QEMU
from edgecompress.errors import EdgeCompressError

PYTHON = (3, 11)
# The versions that were seen to work together, from pruning to an int8 ONNX file equal to the int8 TFLite file.
KNOWN_GOOD = {
    **{"tensorflow": "2.21.0", "tf-keras": "2.21.0", "keras": "3.15.1", "tensorflow-model-optimization": "0.8.1"},
    **{"ai-edge-litert": "2.3.0", "ai-edge-quantizer": "0.10.0", "onnx": "1.23.2", "onnxruntime": "1.31.1"},
    **{"numpy": "2.4.6", "absl-py": "1.4.0", "protobuf": "7.36.2", "flatbuffers": "25.12.19", "h5py": "3.14.0"},
    **{"click": "8.5.1", "rich": "15.0.0", "rich-click": "1.9.9", "pydantic": "2.14.3", "tomli-w": "1.2.0"},
    **{"pillow": "13.0.0", "zstandard": "0.25.0", "scikit-learn": "1.9.1", "jinja2": "3.1.6"},
    **{"matplotlib": "3.11.2", "psutil": "7.2.2", "scipy": "1.17.1", "ziglang": "0.17.0"},
}
EXTRAS = {"ziglang": "builds the runner that measures and the kernels of binary layers, for every machine"}
RIVALS = {"tensorflow": ("tensorflow-cpu", "tf-nightly"), "onnxruntime": ("onnxruntime-gpu",)}  # in one folder
LEGACY_KERAS = ("1", "true", "True")  # the values of TF_USE_LEGACY_KERAS that TensorFlow takes for a yes
IMPORTS = {
    "import tensorflow": (
        "tensorflow",
        "import importlib.metadata, tensorflow as tf; keras = tf.keras.Model.__module__.partition('.')[0]\n"
        "print(f'{tf.__version__}, tf.keras is {keras} {importlib.metadata.version(keras)}')",
    ),
    "import both Kerases and TF-MOT": (
        "tensorflow-model-optimization",
        "from edgecompress.environment import load_keras, load_tf_keras, load_tfmot\n"
        "print(f'Keras {load_keras().__version__}, tf_keras {load_tf_keras().__version__}, TF-MOT '\n"
        "      f'{load_tfmot().__version__}')",
    ),
    "import LiteRT": (
        "ai-edge-litert",
        "import importlib.metadata, ai_edge_litert.interpreter; print(importlib.metadata.version('ai-edge-litert'))",
    ),
    "import ONNX Runtime": (
        "onnxruntime",
        "import onnxruntime as o; print(o.__version__, *o.get_available_providers())",
    ),
}
IMPORT_TIMEOUT_S = 120.0
TOOL_TIMEOUT_S = 10.0
LEAST_FREE_BYTES = 2**30  # CIFAR-10 takes a third of it, a run of a small network less
_PIP = f"{shlex.quote(sys.executable)} -m pip"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was found, and the command that mends it if something is wrong."""

    name: str
    state: Literal["ok", "warn", "missing"]
    found: str
    mend: str = ""
    needed: bool = True  # without it edgecompress does not work; other things serve one purpose only


def examine(*, deep: bool = False) -> tuple[Check, ...]:
    """Look at Python, libraries, Keras, data sets, tools, processor and disk; `deep` also imports what is slow to."""
    checks = [_python(), *map(_library, KNOWN_GOOD), _keras(), *_conflicts(), *_data_sets(), *_tools(), _processor()]
    checks += _disk()
    return (*checks, *(_import(name) for name in IMPORTS)) if deep else tuple(checks)


def is_healthy(checks: tuple[Check, ...]) -> bool:
    """Whether nothing that is needed is missing."""
    return not any(check.needed and check.state == "missing" for check in checks)


def _python() -> Check:
    found = f"{platform.python_version()} at {sys.executable}, edgecompress {__version__}"
    if sys.version_info[:2] == PYTHON:
        return Check("Python", "ok", found)
    wanted = ".".join(map(str, PYTHON))
    return Check("Python", "missing", f"{found}; {wanted} is needed", f"make install PYTHON=python{wanted}")


def _library(name: str) -> Check:
    known, installed = KNOWN_GOOD[name], _version(name)
    install = f"{_PIP} install {name}=={known}"
    if installed is None:
        found = f"not installed; {EXTRAS[name]}" if name in EXTRAS else "not installed"
        return Check(name, "missing", found, install, needed=name not in EXTRAS)
    if _minor(installed) == _minor(known):
        return Check(name, "ok", installed)
    relation = "older" if _minor(installed) < _minor(known) else "newer"
    return Check(name, "warn", f"{installed}, {relation} than {known}, which is known to work", install)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdecimal() else 0 for part in version.split(".")[:2])


def _keras() -> Check:
    """Which Keras `tf.keras` is in the user's own code; edgecompress has both, whatever that is."""
    value = os.environ.get("TF_USE_LEGACY_KERAS")
    keras = f"Keras {_version('keras')}" if value not in LEGACY_KERAS else f"tf_keras {_version('tf-keras')}"
    setting = "unset" if value is None else repr(value)
    told = f"TF_USE_LEGACY_KERAS is {setting}: tf.keras is {keras}; edgecompress uses both Kerases, whatever it is"
    return Check("Keras", "ok", told)


def _conflicts() -> Iterator[Check]:
    for name, rivals in RIVALS.items():
        present = [rival for rival in rivals if _version(rival)]
        if present and _version(name):
            both = " ".join([name, *present])
            yield Check(
                f"{name} twice",
                "warn",
                f"{', '.join(present)} is installed too, in the same folder: they overwrite each other's files",
                f"{_PIP} uninstall --yes {both} && {_PIP} install {name}=={KNOWN_GOOD[name]}",
            )
    if found := _version("larq"):
        yield Check("larq", "warn", f"{found}; it needs a NumPy below 2", f"{_PIP} uninstall --yes larq")


def _data_sets() -> Iterator[Check]:
    """Where published data sets lie, as `edgecompress.data` would find them; none is read or downloaded."""
    spec = util.find_spec("sklearn")
    digits = Path(spec.origin).parent / "datasets/data/digits.csv.gz" if spec and spec.origin else None
    if digits and digits.is_file():
        yield Check("data set digits", "ok", str(digits))
    else:
        install = f"{_PIP} install scikit-learn=={KNOWN_GOOD['scikit-learn']}"
        yield Check("data set digits", "missing", "comes with scikit-learn, which is not installed", install)
    try:
        from edgecompress.data.published import cifar10, fashion_mnist, mnist
        from edgecompress.data.published.sources import root_folders

        roots = list(root_folders(None))
    except (ImportError, EdgeCompressError) as error:
        yield Check("data sets", "warn", f"cannot be looked for: {error}")
        return
    for published in (mnist.PUBLISHED, fashion_mnist.PUBLISHED, cifar10.PUBLISHED):
        places = (root / form for root in roots for form, _ in published.forms)
        found = next((place for place in places if place.exists()), None)
        name = f"data set {published.name}"
        if found:
            yield Check(name, "ok", str(found), needed=False)
        else:
            program = f"from edgecompress.data import load; load('{published.name}')"
            mend = f'{shlex.quote(sys.executable)} -c "{program}"'
            yield Check(name, "missing", "on no disk; it is downloaded when it is first used", mend, needed=False)


def _tools() -> Iterator[Check]:
    yield _tool("adb", ("adb",), "version", "to measure on Android phones", "sudo apt-get install adb")
    ssh = "to measure on boards such as a Raspberry Pi"
    yield _tool("ssh", ("ssh",), "-V", ssh, "sudo apt-get install openssh-client")
    qemu = "to count instructions on emulated processors"
    yield _tool("qemu-user", (QEMU,), "--version", qemu, f"sudo apt-get install {PACKAGES}")
    yield Check("devices", "ok", "`edgecompress devices check` says whether they can measure", needed=False)


def _tool(name: str, programs: tuple[str, ...], argument: str, purpose: str, install: str) -> Check:
    path = next(filter(None, map(shutil.which, programs)), None)
    if path is None:
        return Check(name, "missing", f"not found; needed {purpose}", install, needed=False)
    succeeded, said = _ask([path, argument], TOOL_TIMEOUT_S)
    said = said.splitlines()[0] if said else "no version"
    return Check(name, "ok" if succeeded else "warn", f"{said} at {path}", "" if succeeded else install, needed=False)


def _processor() -> Check:
    conditions = snapshot()
    machine, flags = conditions.get("machine", ""), conditions.get("flags", [])
    found = ", ".join(
        filter(None, (machine, conditions.get("processor"), f"cores {conditions.get('cores', '?')}", " ".join(flags)))
    )
    if machine not in {"x86_64", "aarch64"}:
        return Check("processor", "warn", f"{found}; the libraries are published for x86_64 and aarch64")
    if machine == "x86_64" and "avx2" not in flags:
        return Check("processor", "warn", f"{found}; without AVX2 times say little about other machines")
    return Check("processor", "ok", found)


def _disk() -> Iterator[Check]:
    for name, folder, mend in (
        ("disk for runs", Path.cwd(), "cd FOLDER"),
        ("disk for temporary files", Path(tempfile.gettempdir()), "export TMPDIR=FOLDER"),
        ("disk for data sets", Path(os.environ.get("XDG_CACHE_HOME", Path.home())), "export XDG_CACHE_HOME=FOLDER"),
    ):
        folder = next(each for each in (folder, *folder.parents, Path()) if each.exists())
        free_bytes = shutil.disk_usage(folder).free
        found = f"{free_bytes / 2**30:.1f} GiB free at {folder}"
        if free_bytes >= LEAST_FREE_BYTES:
            yield Check(name, "ok", found)
        else:
            yield Check(name, "warn", f"{found}; {LEAST_FREE_BYTES / 2**30:g} GiB are advised", mend)


def _import(name: str) -> Check:
    package, program = IMPORTS[name]
    succeeded, said = _ask([sys.executable, "-P", "-c", program], IMPORT_TIMEOUT_S)
    last = said.splitlines()[-1] if said else "no answer"
    reinstall = f"{_PIP} install --force-reinstall {package}=={KNOWN_GOOD[package]}"
    return Check(name, "ok", last) if succeeded else Check(name, "missing", last, reinstall)


def _ask(command: list[str], timeout_s: float) -> tuple[bool, str]:
    """Whether a command succeeds in time, and what it says on standard output, or else on standard error."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        return False, f"no answer within {timeout_s:g} s"
    except OSError as error:
        return False, str(error.strerror)
    return done.returncode == 0, done.stdout.strip() or done.stderr.strip()
