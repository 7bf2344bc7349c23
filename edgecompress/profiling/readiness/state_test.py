"""What snapshots mean, and what a device is asked beyond them."""

from dataclasses import replace

import pytest

from edgecompress.devices.probe import probe
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.profiling.readiness.state import _governor, the_state
from edgecompress.testing.devices import FolderTransport

INFO = replace(probe(LocalTransport()), model="", android=False)
PHONE = replace(INFO, android=True, system="Android 10 (API 29)")
PI = replace(INFO, model="Raspberry Pi 4 Model B Rev 1.4")
CLOCK = {"governor": "performance", "limit_mhz": 1800.0, "max_mhz": 1800.0}
GOOD = {
    **{"cores": "0-3", "allowed_cores": "0-3", "load_average": [0.1, 0.1, 0.1], "throttled": "0"},
    **{"clocks": {"0 1 2 3": CLOCK}, "awake": True, "battery_saver": False, "thermal_status": 0},
}


@pytest.fixture
def board(tmp_path):
    with FolderTransport(tmp_path / "home") as board:
        yield board


def warnings(board, info, **changed):
    look = {key: value for key, value in {**GOOD, **changed}.items() if value is not None}
    found = list(the_state(board, info, look))
    assert all(bool(step.remedy) == (step.state == "warn") for step in found)
    return {step.name: step for step in found if step.state != "ok"}


@pytest.mark.parametrize("info", [INFO, PI, PHONE])
def test_nothing_is_wrong_with_a_good_device(info, board):
    assert not warnings(board, info)


@pytest.mark.parametrize("info", [INFO, PHONE])
def test_what_is_not_told_is_no_warning(info, board):
    assert not warnings(board, info, **dict.fromkeys(GOOD))


@pytest.mark.parametrize(
    ("info", "changed", "name", "words", "remedy"),
    [
        (PI, {"allowed_cores": "0-1"}, "cores", "may use 0-1", "container"),
        (PI, {"clocks": {"0 1": {**CLOCK, "limit_mhz": 600.0}}}, "clock", "0-1 are limited to 600 of 1800", "power"),
        (PI, {"clocks": {"policy0": {**CLOCK, "limit_mhz": 600.0}}}, "clock", "policy0 are limited", "power"),
        (PI, {"throttled": "5"}, "throttling", "throttled or undervolted now (0x5)", "power supply"),
        (PI, {"throttled": "50000"}, "throttling", "since it started (0x50000)", "power supply"),
        (PI, {"throttled": None}, "throttling", "may not read", "sudo usermod -aG video "),
        (PI, {"throttled": None, "silent": ["vcgencmd"]}, "throttling", "hangs", "Restart"),
        (PI, {"load_average": [2.5, 0.0, 0.0]}, "load", "2.5 of 4", "top"),
        (PHONE, {"awake": False}, "screen", "invalid", "svc power stayon"),
        (PHONE, {"battery_saver": True}, "battery saver", "invalid", "settings"),
        (PHONE, {"thermal_status": 3}, "thermal status", "3: it is hot", "cool"),
    ],
)
def test_each_bad_state_has_its_remedy(info, changed, name, words, remedy, board):
    found = warnings(board, info, **changed)
    assert list(found) == [name] and words in found[name].found and remedy in found[name].remedy


def test_who_may_set_the_governor(tmp_path):
    folder = tmp_path / "cpufreq"
    (folder / "policy0").mkdir(parents=True)
    look = {"clocks": {"0": {**CLOCK, "governor": "ondemand"}}}
    (tmp_path / "bin").mkdir()
    with FolderTransport(tmp_path / "home", path=f"{tmp_path}/bin:/usr/bin:/bin") as board:

        def step(info=INFO):
            return _governor(board, info, look, folder=str(folder))

        def sudo(status):
            (tmp_path / "bin/sudo").write_text(f'#!/bin/sh\n[ "$*" = "-n true" ] && exit {status}\n')
            (tmp_path / "bin/sudo").chmod(0o755)

        sudo(1)
        assert step().state == "warn" and "may not set it" in step().found and "sudo" in step().remedy
        assert step(PHONE).state == "warn" and "root" in step(PHONE).remedy
        assert "can fix the clocks" in step(replace(PHONE, system="Android 14 (API 34)")).found
        sudo(0)
        assert (step().state, step().found) == ("ok", "ondemand; `--set-governor performance` can set it by sudo")
        (folder / "policy0/scaling_governor").write_text("ondemand\n")
        assert (step().state, step().found) == ("ok", "ondemand; `--set-governor performance` can set it")
        assert (folder / "policy0/scaling_governor").read_text() == "ondemand\n"
