import os
import re
import signal
import tempfile
import threading
import time
import uuid
from pathlib import Path

import psutil
import pytest

from edgecompress.devices.address import Address
from edgecompress.devices.identity import Identity
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.errors import DeviceError, ModelFileError
from edgecompress.pipeline.on_devices import meeting
from edgecompress.pipeline.on_devices.fleet import on_each
from edgecompress.testing.devices import FolderTransport
from edgecompress.values import Failure

CLOSED = Address("ssh", "nobody@127.0.0.1", 1)  # where nothing listens
PATIENCE_S = 30


@pytest.fixture(autouse=True)
def on_our_own(monkeypatch):
    """No configuration of the user's, and folders for devices."""
    monkeypatch.setenv("EDGECOMPRESS_SSH_CONFIG", "/dev/null")
    with tempfile.TemporaryDirectory() as folder:  # not pytest's, whose name is too long for ssh's socket
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield
        monkeypatch.undo()


@pytest.fixture
def interruptible():
    """A shell that starts the tests in the background lets them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Board(FolderTransport):
    """A device of its own on this machine."""

    def __init__(self, address):
        folder = Path(tempfile.gettempdir()) / address.target
        super().__init__(folder)
        self.address, self.lock_folders = address, (str(folder),)


@pytest.fixture(autouse=True)
def on_this_machine(monkeypatch):
    """Boards are reached without ssh, and each says by its target who it is."""
    real = meeting.connect, meeting.identify
    ours = lambda address: address.target.startswith("board-")  # noqa: E731
    monkeypatch.setattr(meeting, "connect", lambda address: (Board if ours(address) else real[0])(address))
    monkeypatch.setattr(
        meeting, "identify", lambda board: Identity(board.address.target, "") if ours(board.address) else real[1](board)
    )


def boards(count):
    """Addresses of devices that only this test knows."""
    return [Address("ssh", f"board-{uuid.uuid4().hex[:12]}") for _ in range(count)]


def children():
    listed = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {int(pid) for each in listed for pid in each.read_text().split()}


def command(process):
    try:
        return process.cmdline()
    except psutil.Error:  # it has ended
        return []


def until_sleeping(count):
    """Wait until so many commands run on devices."""
    deadline = time.monotonic() + PATIENCE_S
    while sum(command(each) == ["sleep", "600"] for each in psutil.Process().children(recursive=True)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return True


def hello(transport, on_progress):
    """Fails if the device cannot be reached."""
    return f"{transport.address}: {transport.shell('echo hello').stdout.strip()}"


def test_results_are_in_the_order_of_the_addresses():
    """Each but the last waits for the next one to end first."""
    addresses = boards(3)
    ended = {str(address): threading.Event() for address in addresses}

    def work(transport, on_progress):
        index = addresses.index(transport.address)
        if index + 1 < len(addresses):
            assert ended[str(addresses[index + 1])].wait(PATIENCE_S)
        ended[str(transport.address)].set()
        return index

    assert on_each(addresses, work) == ([0, 1, 2], [])


@pytest.mark.parametrize("order", [1, -1])
def test_a_device_that_fails_leaves_the_other_s_result(order):
    results, failures = on_each([CLOSED, Address("local")][::order], hello)
    assert results == ["local: hello"]
    assert failures == [Failure(str(CLOSED), f"{CLOSED} refuses connections at port 1.", failures[0].hint)]
    assert "ssh server" in failures[0].hint


def test_if_all_fail_each_says_why():
    def work(transport, on_progress):
        raise ModelFileError(f"not on {transport.address}", hint="try")

    addresses = boards(2)
    wanted = [Failure(str(address), f"not on {address}", "try") for address in addresses]
    assert on_each(addresses, work) == ([], wanted)


def test_the_only_device_raises():
    with pytest.raises(DeviceError, match=r"^ssh:nobody@127\.0\.0\.1:1 refuses connections at port 1\."):
        on_each([CLOSED], hello)


def test_what_is_no_error_of_ours_is_raised():
    def work(transport, on_progress):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        on_each(boards(2), work)


def test_two_names_of_one_device_are_refused_before_anything_is_done():
    (board,) = boards(1)
    other = Address(board.kind, board.target, 2222)
    done = []
    with pytest.raises(DeviceError) as error:
        on_each([board, CLOSED, other], lambda transport, _: done.append(transport))
    names = re.fullmatch("A device is named twice: (.+) and (.+) are one device.", error.value.message)
    assert set(names.groups()) == {str(board), str(other)} and not done


def test_copies_of_a_card_are_two_devices(monkeypatch):
    """Which have one number, and were started at different times."""
    monkeypatch.setattr(meeting, "identify", lambda board: Identity("0123456789ab", board.address.target))
    assert on_each(boards(2), lambda transport, _: 1) == ([1, 1], [])


def test_progress_of_all_devices_arrives():
    steps = []
    addresses = boards(2)

    def work(transport, on_progress):
        for done in range(3):
            on_progress(str(transport.address), done, 3)

    on_each(addresses, work, on_progress=lambda *step: steps.append(step))
    for address in addresses:
        assert [step for step in steps if step[0] == str(address)] == [(str(address), done, 3) for done in range(3)]


def test_a_device_is_kept_to_ourselves(monkeypatch):
    address, waits, works = boards(1)[0], [], threading.Lock()
    monkeypatch.setattr(meeting, "identify", lambda board: Identity("", ""))

    def work(transport, on_progress):
        assert works.acquire(blocking=False)
        LocalTransport().run(["sleep", "1.5"], timeout_s=PATIENCE_S)
        works.release()

    on_each([address, address], work, on_progress=lambda *step: waits.append(step))
    assert (f"waiting for {address}", 0, 1) in waits


@pytest.mark.timeout(60)
def test_ctrl_c_ends_what_runs_on_every_device(interruptible):
    before = children()
    thread = threading.Thread(target=lambda: until_sleeping(2) and os.kill(os.getpid(), signal.SIGINT))

    def work(transport, on_progress):
        LocalTransport().run(["sleep", "600"], timeout_s=600)
        on_progress("measuring", 1, 2)
        LocalTransport().run(["sleep", "600"], timeout_s=600)

    thread.start()
    with pytest.raises(KeyboardInterrupt):
        on_each(boards(2), work)
    thread.join()
    assert children() <= before


@pytest.mark.timeout(60)
def test_ctrl_c_while_progress_is_shown():
    """Whichever thread draws the bar; the other device is in the middle of a command."""
    first, second = boards(2)
    before = children()

    def on_progress(what, done, total):
        raise KeyboardInterrupt

    def work(transport, report):
        if transport.address == second:
            LocalTransport().run(["sleep", "600"], timeout_s=600)
        else:
            until_sleeping(1)
            report("measuring", 0, 1)

    with pytest.raises(KeyboardInterrupt):
        on_each([first, second], work, on_progress=on_progress)
    assert children() <= before
