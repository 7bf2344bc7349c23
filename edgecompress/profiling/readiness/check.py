"""Whether a device can measure: one step after another, up to the runner's own answer there."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecompress.devices.address import Address
from edgecompress.devices.conditions import snapshot
from edgecompress.devices.connect import connect
from edgecompress.devices.probe import DeviceInfo, probe
from edgecompress.devices.ways.emulated import EmulatedTransport
from edgecompress.devices.ways.emulated_info import emulated_info
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError
from edgecompress.native.build import build_instruction_counter
from edgecompress.profiling.readiness.state import the_state
from edgecompress.profiling.readiness.step import Step, no, ok, required
from edgecompress.profiling.readiness.way import pushed, refused, the_way, timeout
from edgecompress.profiling.runner.about import ask_runner
from edgecompress.profiling.runner.launch import choose_runner
from edgecompress.profiling.runner.native_fit import library_on
from edgecompress.profiling.runner.python_recipe import DEFAULT, python_on, require_modules
from edgecompress.progress import Progress, silent

OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class Wanted:
    """What the device is to do: with which runner, for which runtimes; and how much of it is tried."""

    runner: str = "auto"
    python: str = ""
    runtimes: Sequence[str] = ("litert",)  # one of these has to run
    with_library: bool = True  # load the runtime itself
    with_push: bool = True


@dataclass
class Readiness:
    """The steps that were taken, and what they told of the device."""

    steps: list[Step] = field(default_factory=list)
    info: DeviceInfo | None = None
    conditions: dict[str, Any] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """Whether the runner answered on the device."""
        return bool(self.steps) and self.steps[-1].name == "runner" and self.steps[-1].state != "no"

    @property
    def warnings(self) -> list[Step]:
        """What is worth knowing of its figures."""
        return [step for step in self.steps if step.state == "warn"]

    def require(self) -> DeviceInfo:
        """Return what the device is.

        Raises:
            DeviceError: it is not ready.
        """
        if (last := self.steps[-1]).state == "no":
            raise DeviceError(last.found, hint=last.remedy)
        assert self.info is not None
        return self.info


def check_address(
    address: Address,
    wanted: Wanted = Wanted(),
    *,
    on_step: OnStep = lambda step: None,
    on_push: Progress = silent,
) -> Readiness:
    """Look at the device behind an address; whatever is wrong with it is a step."""
    try:
        with connect(address) as transport:
            return check(transport, wanted, on_step=on_step, on_push=on_push)
    except DeviceError as error:  # the client is missing, or names no device
        return _taken(Readiness(), refused(error, address.kind), on_step)


def check(
    transport: Transport,
    wanted: Wanted = Wanted(),
    *,
    on_step: OnStep = lambda step: None,
    on_push: Progress = silent,
) -> Readiness:
    """Look at a device; `on_step` is told each step as it is taken, of which the first "no" is the last."""
    found = Readiness()
    return _taken(found, _steps(transport, wanted, found, on_push), on_step)


def _taken(found: Readiness, steps: Iterator[Step], on_step: OnStep) -> Readiness:
    for step in steps:
        found.steps.append(step)
        on_step(step)
        if step.state == "no":
            break
    return found


def _steps(transport: Transport, wanted: Wanted, found: Readiness, on_push: Progress) -> Iterator[Step]:
    if isinstance(transport, EmulatedTransport):
        yield required("emulator", lambda: _emulator(transport, found))
        yield required("runner", lambda: _under_emulation(transport))
        return
    if not isinstance(transport, LocalTransport):
        yield from the_way(transport)
    yield required("system", lambda: _system(transport, wanted, found))
    assert found.info
    info = found.info
    if not isinstance(transport, LocalTransport):
        yield timeout(transport)
        if wanted.with_push:
            yield required("push", lambda: pushed(transport))
    try:
        found.conditions = snapshot(transport)
    except DeviceError as error:
        yield no("cores", error)
    yield from the_state(transport, info, found.conditions)
    yield required("runner", lambda: _runner(transport, info, wanted, on_push))


def _system(transport: Transport, wanted: Wanted, found: Readiness) -> Step:
    info = found.info = probe(transport)
    if choose_runner(wanted.runner, transport) == "native":
        _suited(transport, info, wanted)
    bits = f"{info.bits} bits" if info.bits else ""
    library = f"glibc {info.glibc[0]}.{info.glibc[1]}" if info.glibc else info.libc
    return ok("system", ", ".join(filter(None, (info.model, info.system, info.machine, bits, library))))


def _suited(transport: Transport, info: DeviceInfo, wanted: Wanted) -> str:
    """The first runtime that the device can load. Raises DeviceError if it can none."""
    errors = []
    for runtime in wanted.runtimes:
        try:
            library_on(transport, info, runtime)
            return runtime
        except DeviceError as error:
            errors.append(error)
    raise errors[0]


def _runner(transport: Transport, info: DeviceInfo, wanted: Wanted, on_push: Progress) -> Step:
    runner = choose_runner(wanted.runner, transport)
    if runner == "native":
        runtime = _suited(transport, info, wanted)
        said = ask_runner(transport, info, runtime, with_library=wanted.with_library, on_push=on_push)
        return ok("runner", f"answers, on {said.cores.bit_count()} cores")
    if runner == "python":
        program = python_on(transport, wanted.python or transport.address.python or DEFAULT)
        require_modules(transport, info, program, wanted.runtimes[0])
        return ok("runner", f"{program} has the modules")
    return ok("runner", "is the user's own")


def _emulator(transport: EmulatedTransport, found: Readiness) -> Step:
    found.info = emulated_info(transport)
    return ok("emulator", f"{found.info.system}; it counts instructions, and keeps no time")


def _under_emulation(transport: EmulatedTransport) -> Step:
    with tempfile.TemporaryDirectory(prefix="edgecompress-") as folder:
        before = transport.emulator(build_instruction_counter(platform.machine()), Path(folder) / "counts")
        said = ask_runner(transport, emulated_info(transport), "litert", with_library=False, before=before)
    return ok("runner", f"answers, on {said.machine}")
