import subprocess
import sys
import threading
import uuid

import pytest

from edgecompress.devices import connect as module
from edgecompress.devices.address import Address
from edgecompress.devices.connect import connect, reserved
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.devices.ways.ssh import SshTransport
from edgecompress.errors import DeviceError

# Says that it holds the device, holds it until its input closes, and says that it has let go.
HOLD = """
import sys
from edgecompress.devices.address import parse_address
from edgecompress.devices.connect import reserved
with reserved(parse_address(sys.argv[1]), on_wait=lambda: print("waits", flush=True)):
    print("holds", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def address():
    """Of a device that only this test knows."""
    return Address("ssh", f"board-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def hold(address):
    """Starts another process that holds the device."""
    started = []

    def start(*, target=address):
        command = [sys.executable, "-c", HOLD, str(target)]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for child in started:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


def test_each_kind_of_address_has_its_transport():
    assert type(connect(Address("local"))) is LocalTransport
    with connect(Address("ssh", "user@board", 2222)) as transport:
        assert isinstance(transport, SshTransport) and transport.address.port == 2222


def test_another_process_waits(address, hold):
    with reserved(address):
        other = hold()
        assert other.stdout.readline() == "waits\n"
    said = other.stdout.readline()
    while said == "waits\n":
        said = other.stdout.readline()
    assert said == "holds\n"


def test_we_wait_for_another_process(address, hold):
    other = hold()
    assert other.stdout.readline() == "holds\n"
    waits = []

    def on_wait():
        waits.append(1)
        if len(waits) == 2:
            other.stdin.close()

    with reserved(address, on_wait=on_wait):
        assert len(waits) >= 2


def test_a_process_that_is_killed_lets_go(address, hold):
    other = hold()
    assert other.stdout.readline() == "holds\n"
    with reserved(address, on_wait=other.kill):
        pass


def test_another_thread_waits(address):
    waits, holds = threading.Event(), threading.Event()

    def other():
        with reserved(address, on_wait=waits.set):
            holds.set()

    with reserved(address):
        thread = threading.Thread(target=other)
        thread.start()
        assert waits.wait(timeout=20) and not holds.is_set()
    assert holds.wait(timeout=20)
    thread.join()


def test_it_is_free_after_an_error(address):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), reserved(address, on_wait=pytest.fail):
            _ = 1 / 0


def test_devices_do_not_wait_for_one_another(address, hold):
    other = hold(target=Address("ssh", f"{address.target}-2"))
    assert other.stdout.readline() == "holds\n"
    with reserved(address, on_wait=pytest.fail), reserved(Address("ssh", address.target, 22), on_wait=pytest.fail):
        pass


def test_one_that_is_never_free_is_an_error(address, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 0.0)
    with (
        reserved(address),
        pytest.raises(DeviceError, match=f"Another edgecompress has been measuring on {address} for"),
        reserved(address),
    ):
        pytest.fail("the device is not free")
    with reserved(address):  # the one that gave up holds nothing
        pass
