"""Lines that are slow, break, or fall silent."""

import contextlib
import signal

import psutil
import pytest

from device_tests.cases import measure
from device_tests.clients import Client
from device_tests.proxy import Line, proxied
from device_tests.servers import HOST
from edgecompress.devices.ways import ssh_login
from edgecompress.profiling import bench

GSM = Line(latency_s=0.25, bytes_per_s=15_000)
ENOUGH_BYTES = 1_000_000  # of the runtime's library, which ssh compresses to more than that


@pytest.fixture
def line(odd_boards, tmp_path, monkeypatch):
    """Opens a line to an account; yields its address and the proxy."""
    with contextlib.ExitStack() as stack:

        def open_line(account, kind):
            client = Client(odd_boards[account], odd_boards, tmp_path, monkeypatch)
            proxy = stack.enter_context(proxied(client.port, kind))
            client.write(Port=proxy.port, HostKeyAlias=f"[{HOST}]:{client.port}")
            return client.address, proxy

        yield open_line


class Progress:
    """What was told of a measurement, and something to do once it has begun."""

    def __init__(self, then=lambda: None):
        self.pushed, self._then, self._begun = {}, then, False

    def __call__(self, what, done, total):
        if what.startswith("pushing "):
            self.pushed.setdefault(what.split()[1], []).append(done)
        elif done and not self._begun:
            self._begun = True
            self._then()


def test_a_slow_line_carries_a_measurement_and_the_next_pushes_nothing(odd_boards, line, small_model, output_hash):
    """The library, which would take minutes, is there from another measurement over a fast line."""
    measure(odd_boards["far"].address, small_model)
    device, _ = line("far", GSM)
    again = Progress()
    found = measure(device, small_model, on_progress=again, max_seconds=0.1)
    assert found.output_hash == output_hash and found.steady.count >= 5
    assert not again.pushed


def test_a_line_that_breaks_in_a_push_goes_on_with_it(line, small_model, output_hash):
    device, proxy = line("breaking", Line(cut_after_bytes=ENOUGH_BYTES))
    progress = Progress()
    assert measure(device, small_model, on_progress=progress).output_hash == output_hash
    assert proxy.cuts == 1
    beginning, reconnecting, going_on = progress.pushed["libLiteRt.so"][:3]
    assert beginning == reconnecting == 0 and going_on > ENOUGH_BYTES


def test_a_line_that_breaks_in_a_measurement_costs_a_round(line, small_model, output_hash):
    device, proxy = line("breaking", Line())
    found = measure(device, small_model, on_progress=Progress(proxy.cut))
    assert found.output_hash == output_hash and "went away" in " ".join(found.conditions["notes"])


def test_a_line_that_is_cut_for_good_leaves_what_was_measured(line, small_model, monkeypatch):
    monkeypatch.setattr(bench, "REJOIN_S", 1.0)
    device, proxy = line("breaking", Line(heals=False))
    rounds = []

    def report(what, done, total):
        if done > 200 and not rounds:  # in the third of three
            rounds.append(done)
            proxy.cut()

    found = measure(device, small_model, on_progress=report, processes=3)
    assert found.processes == 2


def stop_server_of(account, how):
    """Send a signal to the processes of the server that serve an account."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if " ".join(process.cmdline()).startswith(f"sshd: {account}"):
                process.send_signal(how)


def test_a_line_that_falls_silent_costs_a_round(odd_boards, small_model, output_hash, monkeypatch):
    patient = tuple(each for each in ssh_login._OPTIONS if not each.startswith("ServerAlive"))
    monkeypatch.setattr(ssh_login, "_OPTIONS", (*patient, "ServerAliveInterval=1", "ServerAliveCountMax=3"))
    try:
        silence = Progress(lambda: stop_server_of("breaking", signal.SIGSTOP))
        found = measure(odd_boards["breaking"].address, small_model, on_progress=silence)
    finally:
        stop_server_of("breaking", signal.SIGCONT)
    assert found.output_hash == output_hash and "went away" in " ".join(found.conditions["notes"])
