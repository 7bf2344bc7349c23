import importlib.util
import shutil
from pathlib import Path

import pytest

from edgecompress.devices.address import EMULATED_CPUS
from edgecompress.devices.configured import configuration_file
from edgecompress.devices.ways.emulated import LIBRARIES, QEMU
from edgecompress.errors import DeviceError
from edgecompress.profiling.readiness.inventory import inventory, known_devices

CLOSED = "ssh:nobody@127.0.0.1:1"  # where nothing listens
TOOLS = [QEMU, "sh", "cat", "cut", "getconf", "grep", "head", "id", "python3", "ssh", "timeout", "tr", "uname"]
LISTED = """List of devices attached
R5CT10                 unauthorized usb:1-1 transport_id:1
emulator-5554          offline transport_id:2
"""


@pytest.fixture(autouse=True)
def tools(tmp_path, monkeypatch):
    """A PATH without adb, and no configuration but the tests'."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        if found := shutil.which(name):
            (folder / name).symlink_to(Path(found).resolve() if name != "python3" else found)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("EDGECOMPRESS_SSH_CONFIG", "/dev/null")
    find = importlib.util.find_spec  # nor the adb that a package brings
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "adbutils" else find(name))
    return folder


def configure(text):
    configuration_file().parent.mkdir(parents=True)
    configuration_file().write_text(f"[devices]\n{text}\n")


def by_device():
    found = inventory()
    assert len({entry.device for entry in found}) == len(found)
    return {entry.device: entry for entry in found}


def test_this_machine_is_ready():
    entry = inventory()[0]
    assert (entry.device, entry.name, entry.ready) == ("local", "", True)
    assert entry.step is None or entry.step.state == "warn"  # such as of a load
    assert entry.info.memory_bytes > 2**27 and entry.info.machine and not entry.info.android


@pytest.mark.skipif(shutil.which(QEMU) is None or not LIBRARIES.is_dir(), reason=f"it takes {QEMU} and {LIBRARIES}")
def test_emulated_processors_are_ready_and_say_what_they_do():
    found = by_device()
    for cpu in EMULATED_CPUS:
        entry = found[f"emulated:{cpu}"]
        assert entry.ready and entry.step is None and entry.info.model == f"{cpu} under QEMU"


def test_without_qemu_they_say_what_is_missing(tools):
    (tools / QEMU).unlink(missing_ok=True)
    entry = by_device()["emulated:max"]
    assert not entry.ready and entry.step.name == "emulator"
    assert f"{QEMU} is missing" in entry.step.found and "apt-get install" in entry.step.remedy


def test_without_adb_the_others_are_listed():
    found = by_device()
    assert not found["adb"].ready and found["adb"].step.found == "There is no adb."
    assert found["adb"].step.remedy.startswith("Install it") and found["local"].ready
    assert [each.device for each in known_devices() if not each.is_optional] == ["local"]


def test_phones_that_cannot_be_used_say_why(tools):
    (tools / "adb").write_text(f"#!/bin/sh\ncat <<'END'\n{LISTED}END\n")
    (tools / "adb").chmod(0o755)
    configure('phone = "adb:R5CT10"\nother = "adb:ABSENT"')
    found = by_device()
    assert "adb" not in found
    phone, emulator = found["adb:R5CT10"], found["adb:emulator-5554"]
    assert (phone.name, phone.ready, phone.step.found) == ("phone", False, "It is unauthorized.")
    assert "allow USB debugging" in phone.step.remedy
    assert emulator.step.found == "It is offline." and "Reconnect" in emulator.step.remedy
    absent = found["adb:ABSENT"]
    assert (absent.name, absent.ready, absent.step.found) == ("other", False, "It is not connected.")


def test_a_board_that_does_not_answer_says_why():
    configure(f'pi = "{CLOSED}"')
    entry = by_device()[CLOSED]
    assert (entry.name, entry.ready, entry.info, entry.step.name) == ("pi", False, None, "port")
    assert entry.step.found == f"{CLOSED} refuses connections at port 1."
    assert entry.step.remedy.startswith("Is its ssh server running")


def test_names_of_the_user_s_are_shown_once():
    configure('here = "local"\nsmall = "emulated:cortex-a53"')
    found = by_device()
    assert found["local"].name == "here" and found["emulated:cortex-a53"].name == "small"


def test_a_damaged_file_is_an_error():
    configure("pi = 1")
    with pytest.raises(DeviceError, match=r"'pi' in .* is damaged"):
        inventory()
