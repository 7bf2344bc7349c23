"""Bring a runner and what it needs onto a device, and say how it is started there."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

from edgecompress.devices.probe import DeviceInfo
from edgecompress.devices.store import place
from edgecompress.devices.ways.emulated import EmulatedTransport
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError
from edgecompress.formats.tflite.inputs import peek_inputs
from edgecompress.native.build import (
    SOURCES,
    build_binary_kernels,
    build_instruction_counter,
    build_runner,
    can_build,
)
from edgecompress.native.libraries import Library, library_file
from edgecompress.profiling.runner.native_fit import library_on, loader_words, own_c_library, why_not_native
from edgecompress.profiling.runner.python_recipe import DEFAULT, python_on, require_modules
from edgecompress.profiling.runner.session import Opened
from edgecompress.progress import Progress, silent
from edgecompress.runtimes.engines.session import has_binary_operators, runtime_name
from edgecompress.runtimes.shapes import Shapes, shape_text, shapes_to_ask

RUNNERS = ("auto", "native", "python", "benchmark_model")
RUNTIMES = {"LiteRT": "litert", "ONNX Runtime": "onnx"}
KERNELS = "libedgecompress_binary.so"
MAX_VARIABLES = 4096  # of the C runner; with more, the file is LiteRT's to refuse


@dataclass(frozen=True)
class Launch:
    """How a runner starts with a model on a device."""

    runner: str
    words: tuple[str, ...]
    library: Library | None  # None: the device's own, whose version the runner tells
    instead_of: str = ""  # why it is not the native runner, where that was tried

    def runtime(self, path: Path, opened: Opened) -> str:
        """Name and version of the runtime, whether it is its interpreter, and which code of ours computes in it."""
        name = self.library.label if self.library else f"{runtime_name(path)} {opened.version}"
        name += " (interpreter)" if self.why_interpreter(opened) else ""
        return f"{name} with edgecompress kernels ({opened.kernels})" if opened.kernels else name

    def why_interpreter(self, opened: Opened) -> str:
        """Why the runtime's interpreter runs the model in the place of its compiled form; nothing if it does not."""
        return opened.interpreter or self.instead_of


def choose_runner(runner: str, transport: Transport) -> str:
    """Return "native" or "python" for "auto": the C runner, unless this machine lacks the compiler for it."""
    if runner != "auto":
        return runner
    return "native" if can_build() or not isinstance(transport, LocalTransport) else "python"


def launch(
    transport: Transport,
    info: DeviceInfo,
    path: Path,
    *,
    runner: str,
    threads: int,
    python: str = DEFAULT,
    seed: int = 0,
    cores: int = 0,
    shapes: Shapes | None = None,
    inputs: Path | None = None,
    counts: Path | None = None,
    on_push: Progress = silent,
) -> Launch:
    """Place the files and return the words; `counts` is where an emulated device writes its instructions.

    Refuses before anything is pushed. Raises DeviceError if the device cannot run the runner or the runtime,
    UnsupportedModelError if an axis is free that `shapes` does not give.
    """
    runtime = RUNTIMES[runtime_name(path)]
    asked = shapes_to_ask(path, shapes or {})
    files = {path.name: path}
    if inputs is not None:
        files["inputs"] = inputs
    options = ["--runtime", runtime, "--threads", str(threads), "--seed", str(seed)]
    options += ["--cores", f"{cores:x}"] if cores else []
    options += ["--shapes", ",".join(map(shape_text, asked))] if asked else []
    library = None
    binary = has_binary_operators(path)
    if choose_runner(runner, transport) == "python":
        if binary:
            why_not = why_not_native(transport, info, runtime)
            raise DeviceError(
                f"{path.name} has binary layers, whose kernels the Python runner cannot load.",
                hint=f"For the native runner: {why_not}" if why_not else "Measure with `--runner native`.",
            )
        program = python_on(transport, python)
        require_modules(transport, info, program, runtime)
        parts = {part: f"runner_{part}.py" for part in ("machine", "runtimes")}
        files |= {name: SOURCES / name for name in ("runner.py", *parts.values())}
        where = place(transport, files, on_push=on_push)
        words = [program, where["runner.py"], *(word for part in parts for word in (f"--{part}", where[parts[part]]))]
    else:
        library = library_on(transport, info, runtime)
        machine = library.machine
        files |= {"edgecompress-runner": build_runner(machine), Path(library.member).name: library_file(library)}
        files |= {KERNELS: build_binary_kernels(machine)} if binary else {}
        if info.android:
            files |= own_c_library(machine)
        where = place(transport, files, on_push=on_push)
        if isinstance(transport, EmulatedTransport):
            assert counts is not None
            words = transport.emulator(build_instruction_counter(platform.machine()), counts)
        else:
            words = loader_words(info, where)
        words += [where["edgecompress-runner"], "--library", where[Path(library.member).name]]
        words += ["--kernels", where[KERNELS]] if binary else []
        words += ["--marks", "1"] if counts else []
        variables = peek_inputs(path).variables if runtime == "litert" else ()
        words += ["--variables", ",".join(map(str, variables))] if 0 < len(variables) <= MAX_VARIABLES else []
    words += ["--model", where[path.name], *options]
    words += ["--inputs", where["inputs"]] if inputs is not None else []
    return Launch("python" if library is None else "native", tuple(words), library)
