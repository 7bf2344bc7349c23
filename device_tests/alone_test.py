"""A device measures one thing at a time, whichever names, users and hosts it is asked by."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from device_tests.conftest import SHORT, reconnect
from device_tests.servers import ALIAS, ROOTS, adb_daemon, free_port, ssh_server
from edgecompress.devices.address import parse_address
from edgecompress.devices.connect import connect
from edgecompress.devices.holding.lock import reserved
from edgecompress.devices.identity import identify
from edgecompress.devices.wire.client import execute
from edgecompress.errors import DeviceError
from edgecompress.pipeline.on_devices.profile import profile_files
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.runner.holder import holder
from edgecompress.testing.sample_files import partly_delegated

emulated = pytest.mark.emulated
HOLD = """
import sys
from edgecompress.devices.address import parse_address
from edgecompress.devices.connect import connect
from edgecompress.devices.holding.lock import reserved
from edgecompress.profiling.runner.holder import holder
with connect(parse_address(sys.argv[1])) as transport:
    with reserved(transport, holder=holder, on_wait=lambda: print("waits", flush=True)):
        print("holds", *transport.notes, flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def small(tmp_path):
    return partly_delegated(tmp_path)


def one_device(names, small):
    """Whether several names are refused, as those of one device."""
    with pytest.raises(DeviceError) as error:
        profile_files([small], devices=names, plan=Plan(**SHORT))
    assert error.value.message.startswith("A device is named twice: ") and all(
        name in str(error.value) for name in names
    )
    return True


def test_a_device_has_an_identity_of_its_own(device, transport):
    found = identify(transport)
    assert found == identify(transport) and len(found.device) == len(found.boot) == 12
    if device != "local":
        with connect(parse_address("local")) as here:
            assert identify(here).device != found.device


@emulated
def test_two_names_of_one_board(fleet, small, tmp_path, monkeypatch):
    config = fleet.pi.config.read_text().replace(f"Host {ALIAS}\n", f"Host {ALIAS} same-board\n")
    (tmp_path / "config").write_text(config)
    monkeypatch.setenv("EDGECOMPRESS_SSH_CONFIG", str(tmp_path / "config"))
    assert one_device([f"ssh:{ALIAS}", "ssh:same-board"], small)


@emulated
def test_two_serials_of_one_phone(fleet, small, tmp_path):
    """As by cable and by network at once."""
    with adb_daemon(tmp_path / "network", ROOTS / "phone", port=free_port()) as second:
        reconnect(second)
        assert one_device([f"adb:{fleet.phone.serial}", f"adb:{second.serial}"], small)
        execute(["adb", "disconnect", second.serial], timeout_s=20, what="adb")


@pytest.fixture
def hold():
    """Starts another process that keeps a device to itself until its input closes."""
    started = []

    def start(name, *, before=(), **environment):
        command = [*before, sys.executable, "-c", HOLD, name]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, **pipes, env=os.environ | environment))
        return started[-1]

    yield start
    for child in started:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


def after_waiting(child):
    """What a process says after it has waited."""
    while (said := child.stdout.readline()) == "waits\n":
        pass
    return said


def excluded(one, other):
    """Whether of two processes that want one device the other waits until the first has ended."""
    assert after_waiting(one) == "holds\n"
    second = other()
    assert second.stdout.readline() == "waits\n"
    one.stdin.close()
    return after_waiting(second) == "holds\n"


def test_another_process_waits_for_it(device, hold):
    assert excluded(hold(device), lambda: hold(device))


def test_one_that_is_killed_lets_go(device, hold):
    one = hold(device)
    assert after_waiting(one) == "holds\n"
    two = hold(device)
    assert two.stdout.readline() == "waits\n"
    one.kill()
    assert after_waiting(two) == "holds\n"


@emulated
def test_another_host_waits_for_it(fleet, hold):
    """Which knows nothing of what this one has in its folders."""
    elsewhere = ["unshare", "-u", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh"]
    config = fleet.pi.config.read_text()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # keys that both can see
        for path in (fleet.pi.identity, fleet.pi.known_hosts):
            (Path(folder) / path.name).write_text(path.read_text())
            (Path(folder) / path.name).chmod(0o600)
            config = config.replace(str(path), f"{folder}/{path.name}")
        (Path(folder) / "config").write_text(config)
        other = {"before": elsewhere, "EDGECOMPRESS_SSH_CONFIG": f"{folder}/config", "TMPDIR": folder, "HOME": folder}
        assert excluded(hold(f"ssh:{ALIAS}"), lambda: hold(f"ssh:{ALIAS}", **other))


@pytest.fixture
def two_users(fleet, tmp_path):
    """The configurations of two accounts of one board."""
    (tmp_path / "passwd").write_text(f"{Path('/etc/passwd').read_text()}second:x:4242:4242::/tmp:/bin/sh\n")
    subprocess.run(["mount", "--bind", str(tmp_path / "passwd"), "/etc/passwd"], check=True)
    try:
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            Path(folder).chmod(0o755)  # sshd reads the keys as the user who logs in
            with ssh_server(Path(folder), ROOTS / "pi", port=free_port()) as server:
                (tmp_path / "second").write_text(server.config.read_text().replace("User root", "User second"))
                yield str(server.config), str(tmp_path / "second")
    finally:
        subprocess.run(["umount", "--lazy", "/etc/passwd"], check=True)


@pytest.mark.parametrize("order", [1, -1])
@emulated
def test_another_user_waits_for_it(two_users, hold, order):
    one, other = two_users[::order]
    assert excluded(
        hold(f"ssh:{ALIAS}", EDGECOMPRESS_SSH_CONFIG=one),
        lambda: hold(f"ssh:{ALIAS}", EDGECOMPRESS_SSH_CONFIG=other),
    )


@emulated
def test_a_phone_without_flock_gets_a_program_for_it(fleet):
    with connect(parse_address(f"adb:{fleet.phone.serial}")) as transport:
        assert transport.shell("command -v flock || command -v python3").status
        with reserved(transport, holder=holder):
            assert not transport.notes
            assert "edgecompress-hold" in transport.shell("cat /proc/[0-9]*/cmdline").stdout


@emulated
def test_an_emulated_processor_takes_this_machine_s_turn(fleet, hold):
    assert excluded(hold("local"), lambda: hold("emulated:max"))
