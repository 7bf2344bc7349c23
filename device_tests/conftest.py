"""The same questions to any device: `pytest device_tests --device local|emulated|adb:SERIAL|ssh:USER@HOST`.

`emulated` is a Raspberry Pi behind a real sshd and a phone behind the real adb's server, both in root file systems of
aarch64, and the processors that count instructions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from device_tests.accounts import Boards, boards
from device_tests.kinds import ACCOUNTS
from device_tests.machines import write_machine
from device_tests.servers import (
    ALIAS,
    ROOTS,
    AdbDevice,
    SshServer,
    adb_daemon,
    adb_environment,
    adb_server,
    bind_machine,
    free_port,
    in_namespace,
    ssh_server,
)
from edgecompress.devices.address import parse_address
from edgecompress.devices.connect import connect
from edgecompress.devices.ways.adb_server import adb_program
from edgecompress.devices.wire.client import execute
from edgecompress.pipeline.on_devices.profile import profile_files
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.plan import Plan
from edgecompress.testing.sample_files import partly_delegated

SHORT = {"processes": 1, "min_runs": 5, "min_seconds": 0.05, "max_seconds": 0.5, "cool_down_s": 0.0, "repeats": 0}


@dataclass(frozen=True)
class Fleet:
    """The emulated devices, and the files that stand for their hardware."""

    phone: AdbDevice
    pi: SshServer
    machines: dict[str, Path]


def pytest_addoption(parser):
    parser.addoption("--device", default="local", help="local, emulated, adb:SERIAL or ssh:USER@HOST")


def pytest_configure(config):
    if config.getoption("--device") == "emulated" and not in_namespace():
        pytest.exit("start it by: make device-test DEVICE=emulated", returncode=4)
    config.addinivalue_line("markers", "emulated: needs the emulated devices, whose faults can be chosen")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--device") != "emulated":
        skip = pytest.mark.skip(reason="only emulated devices have faults that can be chosen: --device emulated")
        for item in items:
            if item.get_closest_marker("emulated") or item.path.name.startswith(("servers_test", "odd_")):
                item.add_marker(skip)


def pytest_generate_tests(metafunc):
    """Ask each device by its own name; an emulated phone's is known only when it runs."""
    if "device_name" in metafunc.fixturenames:
        wanted = metafunc.config.getoption("--device")
        metafunc.parametrize("device_name", ["ssh", "adb"] if wanted == "emulated" else [wanted], scope="session")


@pytest.fixture(scope="session")
def machines(tmp_path_factory) -> dict[str, Path]:
    """Mount a made /proc and /sys into both root file systems, once."""
    made = {}
    for name, kind in (("pi", "pi4"), ("phone", "phone")):
        made[name] = tmp_path_factory.mktemp(kind)
        write_machine(made[name], kind)
        bind_machine(ROOTS / name, made[name])
    return made


@pytest.fixture(scope="session")
def fleet(machines, tmp_path_factory) -> Iterator[Fleet]:
    """Run both servers, and point ssh's and adb's clients at them."""
    folder = tmp_path_factory.mktemp("servers")
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")  # there is no network to fill another one
    environment = adb_environment(folder / "adb") | {"XDG_CACHE_HOME": cache}
    with ExitStack() as stack:
        stack.enter_context(adb_server(environment))
        phone = stack.enter_context(adb_daemon(folder / "adbd", ROOTS / "phone", port=free_port()))
        pi = stack.enter_context(ssh_server(folder / "sshd", ROOTS / "pi", port=free_port()))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in {**environment, "EDGECOMPRESS_SSH_CONFIG": str(pi.config)}.items():
            patch.setenv(name, value)
        reconnect(phone)
        yield Fleet(phone, pi, machines)


@pytest.fixture(scope="session")
def small_model(tmp_path_factory) -> Path:
    """A file that takes microseconds."""
    return partly_delegated(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def output_hash(small_model) -> str:
    """What this machine computes of it."""
    (found,) = profile_files([small_model], plan=Plan(**SHORT)).measurements
    return found.output_hash


@pytest.fixture(scope="session")
def all_boards() -> Iterator[Boards]:
    with boards(ACCOUNTS) as found:
        yield found


@pytest.fixture
def odd_boards(all_boards, monkeypatch) -> Boards:
    """Accounts of every odd kind on this machine, by their names, and ssh's client pointed at them."""
    monkeypatch.setenv("EDGECOMPRESS_SSH_CONFIG", str(all_boards.server.config))
    return all_boards


def reconnect(phone: AdbDevice) -> None:
    """Have adb's server meet the phone anew, as it does when a cable is plugged in."""
    execute([adb_program(), "disconnect", phone.serial], timeout_s=20, what="adb")
    execute([adb_program(), "connect", phone.serial], timeout_s=20, what="adb")


@pytest.fixture(autouse=True)
def no_fault_is_left(request) -> Iterator[None]:
    yield
    if "fleet" in request.fixturenames or "device" in request.fixturenames:
        if request.config.getoption("--device") != "emulated":
            return
        phone = request.getfixturevalue("fleet").phone
        if phone.fault_file.read_text():
            phone.set_fault("")
            reconnect(phone)


@pytest.fixture
def device(device_name, request) -> str:
    """The address of the device under test."""
    if device_name in ("ssh", "adb") and request.config.getoption("--device") == "emulated":
        fleet = request.getfixturevalue("fleet")
        return f"ssh:{ALIAS}" if device_name == "ssh" else f"adb:{fleet.phone.serial}"
    return device_name


@pytest.fixture
def transport(device):
    with connect(parse_address(device)) as transport:
        yield transport


@pytest.fixture
def bench(transport):
    """The device, ready for a short measurement."""
    with Bench(transport, Plan(**SHORT)) as bench:
        yield bench
