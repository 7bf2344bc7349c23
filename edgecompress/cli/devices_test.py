"""What there is to measure on, and whether it can, as a person would ask."""

from __future__ import annotations

import json

import pytest

from edgecompress.devices.address import EMULATED_CPUS
from edgecompress.devices.ways import emulated

CLOSED = "ssh:nobody@127.0.0.1:1"  # where nothing listens
pytestmark = pytest.mark.usefixtures("on_our_own")


def test_devices_are_listed(say, tmp_path):
    (tmp_path / "config/edgecompress").mkdir(parents=True)
    (tmp_path / "config/edgecompress/devices.toml").write_text(f'[devices]\npi = "{CLOSED}"\n')
    result = say("devices")
    assert result.code == 0 and not result.err
    rows = [line.split() for line in result.out.splitlines()]
    assert next(row for row in rows if row and row[0] == "local")[-1] == "ready"
    assert next(row for row in rows if row[:2] == [CLOSED, "(pi)"])[-2:] == ["not", "ready"]
    assert f"{CLOSED}: port: {CLOSED} refuses connections at port 1. Is its ssh server" in result.out
    assert "See docs/remedies.md#port." in result.out

    found = json.loads(say("devices", "--json").out)
    assert {"device", "name", "ready", "step", "info", "clusters"} == set(found[0])
    assert found[0]["device"] == "local" and found[0]["info"]["memory_bytes"] > 0
    (pi,) = (entry for entry in found if entry["name"] == "pi")
    assert not pi["ready"] and (pi["step"]["name"], pi["step"]["state"]) == ("port", "no")


def test_a_device_is_checked_step_by_step(say):
    result = say("devices", "check", "--on", "local", "--on", CLOSED)
    assert result.code == 1
    lines = result.out.splitlines()
    there = lines.index(CLOSED)
    assert lines[0] == "local" and lines[1].startswith("  ok    system: ") and lines[there - 1].startswith("  ready")
    assert lines[there - 2].startswith("  ok    runner: answers")
    assert lines[there + 1 : there + 2] == ["  ok    name: passed"] and lines[-1] == "  not ready"
    assert lines[-2].startswith(f"  no    port: {CLOSED} refuses") and lines[-2].endswith("docs/remedies.md#port.")


def test_without_a_device_all_are_checked_and_what_nobody_asked_for_may_be_missing(say, tmp_path, monkeypatch):
    (tmp_path / "bin/adb").write_text("#!/bin/sh\nexit 1\n")
    monkeypatch.setattr(emulated, "QEMU", "no-such-qemu")
    found = json.loads(say("devices", "check", "--json").out)
    assert {each["device"]: each["ready"] for each in found} == {
        **{"local": True, "adb": False},
        **{f"emulated:{cpu}": False for cpu in EMULATED_CPUS},
    }
    assert say("devices", "check", "--json").code == 0
    (tmp_path / "config/edgecompress").mkdir(parents=True)
    (tmp_path / "config/edgecompress/devices.toml").write_text(f'[devices]\npi = "{CLOSED}"\n')
    result = say("devices", "check", "--json")
    assert result.code == 1
    (pi,) = (each for each in json.loads(result.out) if each["name"] == "pi")
    assert pi["steps"][-1]["see"] == "docs/remedies.md#port" and pi["steps"][-1]["remedy"]


def test_a_damaged_list_of_devices_is_a_sentence(say, tmp_path):
    (tmp_path / "config/edgecompress").mkdir(parents=True)
    (tmp_path / "config/edgecompress/devices.toml").write_text("[devices")
    result = say("devices", "--json")
    assert result.code == 1 and "devices.toml' cannot be read" in result.err
    assert json.loads(result.out)["error"]["kind"] == "DeviceError"
