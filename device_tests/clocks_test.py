"""Clocks of a board and of a phone: that they fall is noticed, and who holds them steady gives them back."""

import time
from dataclasses import replace

import psutil
import pytest

from device_tests.conftest import SHORT
from device_tests.machines import write_machine
from device_tests.servers import ALIAS
from edgecompress.devices.address import parse_address
from edgecompress.devices.connect import connect
from edgecompress.devices.holding.governor import governor
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.conditions import cool_down
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.protocol import profile
from edgecompress.testing.sample_files import partly_delegated

LIMIT_S = 15
emulated = pytest.mark.emulated


@pytest.fixture
def small(tmp_path):
    return partly_delegated(tmp_path)


@emulated
def test_a_run_in_which_the_clock_fell_is_repeated_and_then_marked(fleet, small, monkeypatch):
    """The Pi's clock limit falls once for good in the first round: that is repeated, and the second is believed."""
    limit = fleet.machines["pi"] / "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq"
    monkeypatch.setattr(cool_down, "LOOK_EVERY_S", 0.1)
    plan = replace(Plan(**SHORT), repeats=1)

    def throttle(what, done, total):
        if done > 0:  # the first block is over
            limit.write_text("1000000\n")

    try:
        with connect(parse_address(f"ssh:{ALIAS}")) as transport, Bench(transport, plan) as bench:
            (measurement,) = profile(bench, [small], on_progress=throttle)
        assert "fell" not in measurement.invalid
        assert "fell from 1800 to 1000 MHz" in measurement.conditions["notes"][0]
        limit.write_text("1800000\n")
        with connect(parse_address(f"ssh:{ALIAS}")) as transport, Bench(transport, Plan(**SHORT)) as bench:
            (measurement,) = profile(bench, [small], on_progress=throttle)
        assert "the limit of the clock of cores 0 1 2 3 fell from 1800 to 1000 MHz" in measurement.invalid
    finally:
        write_machine(fleet.machines["pi"], "pi4")


@emulated
def test_the_pi_s_throttle_bit_makes_a_run_invalid(fleet, small):
    word = fleet.machines["pi"] / "sys/devices/platform/soc/soc:firmware/get_throttled"

    def throttle(what, done, total):
        if done > 0:
            word.write_text("40004\n")

    try:
        with (
            connect(parse_address(f"ssh:{ALIAS}")) as transport,
            Bench(transport, Plan(**SHORT)) as bench,
        ):
            (measurement,) = profile(bench, [small], on_progress=throttle)
    finally:
        word.write_text("0\n")
    assert "the firmware says that it is throttled" in measurement.invalid


def governors(fleet):
    folder = fleet.machines["pi"] / "sys/devices/system/cpu/cpufreq"
    return {path.read_text().strip() for path in folder.glob("policy*/scaling_governor")}


@pytest.mark.parametrize("ending", ["normal", "error", "killed"])
@emulated
def test_a_governor_is_restored_whatever_happens(fleet, ending):
    was = governors(fleet)
    with connect(parse_address(f"ssh:{ALIAS}")) as transport:
        try:
            with governor(transport, "performance") as said:
                assert "performance" in said and governors(fleet) == {"performance"} != was
                if ending == "error":
                    raise KeyboardInterrupt
                if ending == "killed":  # the client, as if the host had died
                    for process in psutil.process_iter():
                        if process.name() == "ssh":
                            process.kill()
        except KeyboardInterrupt:
            pass
    end = time.monotonic() + LIMIT_S
    while governors(fleet) != was and time.monotonic() < end:
        time.sleep(0.1)
    assert governors(fleet) == was


@emulated
def test_a_phone_without_root_gets_fixed_performance(fleet):
    with connect(parse_address(f"adb:{fleet.phone.serial}")) as transport:
        with governor(transport, "performance") as said:
            assert "fixed-performance mode" in said
        calls = transport.shell("cat /data/local/tmp/.calls").stdout.split("\n")
    assert [call.split()[-1] for call in calls if "fixed-performance" in call] == ["true", "false"]
