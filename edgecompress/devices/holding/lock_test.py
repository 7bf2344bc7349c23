import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest

from edgecompress.devices.holding import lock
from edgecompress.devices.holding.lock import NOT_LOCKED, reserved
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.errors import DeviceError
from edgecompress.testing.devices import FolderTransport

PATIENCE_S = 30
WAYS = ("tool", "holder", "python", "local")
# Says that it holds the device, holds it until its input closes.
HOLD = """
import sys
from edgecompress.devices.holding.lock import reserved
from edgecompress.devices.holding.lock_test import Way
with Way(sys.argv[1], sys.argv[2]).reserved(on_wait=lambda: print("waits", flush=True)):
    print("holds", flush=True)
    sys.stdin.read()
"""
TOOLS = ("sh", "sleep", "grep", "id", "rm", "mkdir", "cat", "kill", "timeout", "uname")


class Way:
    """A device, and how it is locked; all of one folder are one device."""

    def __init__(self, name, folder):
        self.folder = str(folder)
        tools = {"tool": (*TOOLS, "flock"), "python": (*TOOLS, "python3")}.get(name, TOOLS)
        programs = Path(tempfile.mkdtemp(dir=folder))
        for tool in tools:
            (programs / tool).symlink_to(sys.executable if tool == "python3" else shutil.which(tool))
        ours = name == "local"
        self.transport = LocalTransport() if ours else FolderTransport(programs / "home", path=str(programs))
        self.transport.lock_folders = ("/nonexistent", self.folder)
        self.holder = built if name == "holder" else lambda transport: None

    def reserved(self, **options):
        return reserved(self.transport, holder=self.holder, **options)


def built(transport):
    from edgecompress.native.build import build_holder

    return str(build_holder(platform.machine()))


@pytest.fixture(params=WAYS)
def way(request, tmp_path):
    made = Way(request.param, tmp_path)
    yield made
    made.transport.close()
    assert not made.transport.notes


@pytest.fixture
def hold(tmp_path):
    """Starts another process that holds the device."""
    started = []

    def start(name):
        command = [sys.executable, "-c", HOLD, name, str(tmp_path)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


@pytest.mark.parametrize("name", WAYS)
def test_another_process_waits_whatever_way_it_locks(way, name, hold):
    with way.reserved():
        other = hold(name)
        assert other.stdout.readline() == "waits\n"
    said = other.stdout.readline()
    while said == "waits\n":
        said = other.stdout.readline()
    assert said == "holds\n"


def test_we_wait_for_another_process(way, hold):
    other = hold("tool")
    assert other.stdout.readline() == "holds\n"
    waits = []

    def on_wait():
        waits.append(1)
        if len(waits) == 2:
            other.stdin.close()

    with way.reserved(on_wait=on_wait):
        assert len(waits) >= 2


def test_a_process_that_is_killed_lets_go(way, hold):
    other = hold("holder")
    assert other.stdout.readline() == "holds\n"
    with way.reserved(on_wait=other.kill):
        pass


def test_it_is_free_after_an_error_and_no_process_is_left(way):
    before = psutil.Process().children(recursive=True)  # other tests may have left one, such as multiprocessing's own
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), way.reserved(on_wait=pytest.fail):
            _ = 1 / 0
    way.transport.close()
    assert not [each.cmdline() for each in psutil.Process().children(recursive=True) if each not in before]


def test_ctrl_c_while_it_waits(way, hold):
    other = hold("python")
    assert other.stdout.readline() == "holds\n"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), way.reserved(on_wait=lambda: signal.raise_signal(signal.SIGINT)):
            pytest.fail("it is not free")
    finally:
        signal.signal(signal.SIGINT, before)


def test_one_that_is_never_free_is_an_error(way, hold, monkeypatch):
    monkeypatch.setattr(lock, "LONGEST_WAIT_S", 0.0)
    other = hold("tool")
    assert other.stdout.readline() == "holds\n"
    words = f"^Another edgecompress has been measuring on {way.transport.address} for"
    with pytest.raises(DeviceError, match=words), way.reserved():
        pytest.fail("the device is not free")


def test_it_is_taken_again_after_a_lost_connection_from_what_that_left_behind(way, tmp_path):
    """A process of ours that has not noticed yet is ended; it does not hold us up for an hour."""
    if isinstance(way.transport, LocalTransport):
        pytest.skip("there is no connection to lose")
    waits = []
    with way.reserved(on_wait=lambda: waits.append(1)):
        (take,) = way.transport.on_return
        lost, take.__self__._conversation = take.__self__._conversation, None
        way.transport.reconnect(within_s=PATIENCE_S)
        assert lost.receive(timeout_s=PATIENCE_S) in (None, "") and not waits
        lost.finish()
        assert not _is_free(tmp_path)
    assert _becomes_free(tmp_path) and not way.transport.on_return


def _becomes_free(folder):
    """Whether the lock is let go: who held it may take a moment to end."""
    end = time.monotonic() + PATIENCE_S
    while not (free := _is_free(folder)) and time.monotonic() < end:
        time.sleep(0.05)
    return free


def _is_free(folder):
    local = LocalTransport()
    local.lock_folders = (str(folder),)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lock, "LONGEST_WAIT_S", 0.0)
        try:
            with reserved(local):
                return True
        except DeviceError:
            return False


def test_another_thread_waits(tmp_path):
    waits, holds = threading.Event(), threading.Event()

    def other():
        with Way("local", tmp_path).reserved(on_wait=waits.set):
            holds.set()

    with Way("local", tmp_path).reserved():
        thread = threading.Thread(target=other)
        thread.start()
        assert waits.wait(PATIENCE_S) and not holds.is_set()
    assert holds.wait(PATIENCE_S)
    thread.join()


def test_devices_do_not_wait_for_one_another(tmp_path):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    with (
        Way("tool", tmp_path / "a").reserved(on_wait=pytest.fail),
        Way("tool", tmp_path / "b").reserved(on_wait=pytest.fail),
    ):
        pass


def test_a_device_without_means_is_noted_once(tmp_path):
    way = Way("nothing", tmp_path)
    with way.reserved(), way.reserved():
        pass
    way.transport.close()
    assert way.transport.notes == [NOT_LOCKED]


def test_folders_that_cannot_be_locked_are_noted(tmp_path):
    for name in WAYS:
        way = Way(name, tmp_path)
        way.transport.lock_folders = ("/nonexistent",)
        with way.reserved():
            pass
        way.transport.close()
        assert way.transport.notes == [NOT_LOCKED], name
