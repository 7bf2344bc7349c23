"""A device that goes away in the middle: it is waited for once, and what was measured is kept."""

from contextlib import contextmanager
from dataclasses import replace

import pytest

from device_tests.conftest import SHORT, reconnect
from device_tests.proxy import Line, proxied
from device_tests.servers import ALIAS
from edgecompress.pipeline.on_devices.profile import Extras, profile_files
from edgecompress.profiling import bench
from edgecompress.profiling.losses import CAME_BACK
from edgecompress.profiling.plan import Plan
from edgecompress.testing.sample_files import partly_delegated

pytestmark = pytest.mark.emulated
TWICE = replace(Plan(**SHORT), processes=2)


@pytest.fixture
def small(tmp_path):
    return partly_delegated(tmp_path)


@pytest.fixture
def board(fleet, tmp_path, monkeypatch):
    """Leads the way to the board through a line; yields the proxy."""

    @contextmanager
    def through(line):
        with proxied(fleet.pi.port, line) as proxy:
            known = fleet.pi.known_hosts.read_text().replace(str(fleet.pi.port), str(proxy.port))
            (tmp_path / "known_hosts").write_text(known)
            config = fleet.pi.config.read_text().replace(f"Port {fleet.pi.port}", f"Port {proxy.port}")
            (tmp_path / "config").write_text(config.replace(str(fleet.pi.known_hosts), str(tmp_path / "known_hosts")))
            monkeypatch.setenv("EDGECOMPRESS_SSH_CONFIG", str(tmp_path / "config"))
            yield proxy

    return through


class Cuts:
    """Progress that breaks a line once so much is done."""

    def __init__(self, proxy, *after):
        self.proxy, self.after, self.told = proxy, list(after), []

    def __call__(self, what, done, total):
        self.told.append(what)
        if "back" not in what and self.after and total > 1 and done >= self.after[0]:
            self.after.pop(0)
            self.proxy.cut()


def test_a_round_that_was_cut_is_repeated(board, small):
    with board(Line()) as proxy:
        cuts = Cuts(proxy, 1)
        found = profile_files(
            [small], devices=[f"ssh:{ALIAS}"], plan=TWICE, extras=Extras(governor="performance"), on_progress=cuts
        )
    (measurement,) = found.measurements
    assert not cuts.after and not found.failures and f"waiting for ssh:{ALIAS} to come back" in cuts.told
    assert CAME_BACK in measurement.conditions["notes"] and measurement.processes == 2
    assert {clock["governor"] for clock in measurement.conditions["after"]["clocks"].values()} == {"performance"}


def test_the_second_time_whole_processes_are_kept(board, small):
    with board(Line()) as proxy:
        found = profile_files([small], devices=[f"ssh:{ALIAS}"], plan=TWICE, on_progress=Cuts(proxy, 1, 101))
    (measurement,) = found.measurements
    assert measurement.processes == 1 == len(measurement.samples_ns)
    back, kept = measurement.conditions["notes"][-2:]
    assert back == CAME_BACK and kept.startswith(f"1 of 2 processes: ssh:{ALIAS} went away")
    assert [failure.device for failure in found.failures] == [f"ssh:{ALIAS}"]


def test_one_that_stays_away_keeps_whole_processes(board, small, monkeypatch):
    monkeypatch.setattr(bench, "REJOIN_S", 1.0)
    with board(Line(heals=False)) as proxy:
        found = profile_files([small], devices=[f"ssh:{ALIAS}"], plan=TWICE, on_progress=Cuts(proxy, 101))
    (measurement,) = found.measurements
    assert measurement.processes == 1 and len(found.failures) == 1
    assert measurement.conditions["notes"][-1].startswith("1 of 2 processes: ")


@pytest.mark.parametrize("cuts", [(1,), (1, 2)])
def test_sustained_windows_are_kept(board, small, cuts):
    with board(Line()) as proxy:
        extras = Extras(sustained_s=5.0)
        found = profile_files([small], devices=[f"ssh:{ALIAS}"], extras=extras, on_progress=Cuts(proxy, *cuts))
    (series,) = found.sustained
    warned, *notes = series.conditions["notes"]
    assert series.windows and warned.startswith("cores: ") and notes[0] == CAME_BACK
    assert len(notes) == len(cuts) and len(found.failures) == len(cuts) - 1


def test_a_phone_that_comes_back(fleet, small):
    """Its daemon cuts every command after a second, until it is met anew."""
    phone = f"adb:{fleet.phone.serial}"
    faults = ["cut-run"]

    def on_progress(what, done, total):
        if "back" in what:
            fleet.phone.set_fault("")
            reconnect(fleet.phone)
        elif done and faults:
            fleet.phone.set_fault(faults.pop())

    plan = replace(TWICE, min_seconds=2.0, max_seconds=4.0)
    (measurement,) = profile_files([small], devices=[phone], plan=plan, on_progress=on_progress).measurements
    assert measurement.processes == 2 and CAME_BACK in measurement.conditions["notes"]


def test_another_device_in_its_place_is_refused(board, small, monkeypatch):
    other = bench.identify
    monkeypatch.setattr(bench, "identify", lambda transport: replace(other(transport), device="another"))
    with board(Line()) as proxy:
        found = profile_files([small], devices=[f"ssh:{ALIAS}"], plan=TWICE, on_progress=Cuts(proxy, 101))
    assert found.measurements[0].processes == 1
    assert found.failures[0].message == f"ssh:{ALIAS} came back as another device."
