"""On listings in the form of adb 29, whose words about servers are recorded."""

import shlex

import pytest

from edgecompress.devices.address import parse_address
from edgecompress.devices.ways import adb_server
from edgecompress.devices.ways.adb_server import AttachedDevice, adb_program, listing, only_serial
from edgecompress.errors import DeviceError

WIRELESS = "adb-R5CT10-x1 (2)._adb-tls-connect._tcp"
PHONE = "R5CT10                 device usb:1-1 product:o1s model:SM_G991B device:o1s transport_id:1\n"
OTHER = f"{WIRELESS} device product:oriole model:Pixel_6 device:oriole transport_id:7\n"
HEAD = "List of devices attached\n"
STARTED = "* daemon not running; starting now at tcp:5037\n* daemon started successfully\n"
VERSIONS = "adb server version (39) doesn't match this client (41); killing...\n* daemon started successfully\n"


@pytest.fixture
def adb(tmp_path, monkeypatch):
    """Puts an adb on PATH that says what it is told to."""
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def say(listed, *, errors="", status=0):
        said = f"printf %s {shlex.quote(listed)}; printf %s {shlex.quote(errors)} >&2; exit {status}"
        (tmp_path / "adb").write_text(f"#!/bin/sh\n{said}\n")
        (tmp_path / "adb").chmod(0o755)

    return say


def test_devices_in_all_states(adb):
    adb(
        f"{HEAD}{PHONE}{OTHER}"
        "emulator-5554          offline transport_id:2\n"
        "192.168.1.7:5555       unauthorized transport_id:3\n"
        "0123456789ABCDEF       no permissions (missing udev rules? user is in the plugdev group); see "
        "[http://developer.android.com/tools/device.html] usb:1-2 transport_id:4\n"
        "HT7                    bootloader usb:1-3\n"
        "HT8                    authorizing usb:1-4 transport_id:6\n"
        "HT9\tdevice\n"
        "HT10                   strange usb:1-5\n\n"
    )
    assert listing().devices == (
        AttachedDevice("R5CT10", "device", "SM_G991B"),
        AttachedDevice(WIRELESS, "device", "Pixel_6"),
        AttachedDevice("emulator-5554", "offline", ""),
        AttachedDevice("192.168.1.7:5555", "unauthorized", ""),
        AttachedDevice("0123456789ABCDEF", "no permissions", ""),
        AttachedDevice("HT7", "bootloader", ""),
        AttachedDevice("HT8", "authorizing", ""),
        AttachedDevice("HT9", "device", ""),
        AttachedDevice("HT10", "strange", ""),
    )
    for each in listing().devices:
        assert str(parse_address(f"adb:{each.serial}")) == f"adb:{each.serial}"


@pytest.mark.parametrize("listed", ["", HEAD, STARTED + HEAD, HEAD + "\n", "nonsense\n"])
def test_nothing_is_attached(listed, adb):
    adb(listed)
    assert listing() == adb_server.Listing(())
    with pytest.raises(DeviceError, match="No Android device is connected"):
        only_serial()


@pytest.mark.parametrize("start", ["listed", "errors"])
def test_a_server_that_starts_is_no_device(start, adb):
    adb(STARTED * (start == "listed") + HEAD + PHONE, errors=STARTED * (start == "errors"))
    assert [each.serial for each in listing().devices] == ["R5CT10"] and not listing().warning


def test_a_server_of_another_version_is_told_of(adb):
    adb(HEAD + PHONE, errors=VERSIONS)
    assert listing().warning.startswith("Another adb (of version 39, and ours is 41) runs a server here; each ends")
    assert "Use one adb" in listing().warning and only_serial() == "R5CT10"


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        (
            "adb: failed to check server version: protocol fault (couldn't read status): Connection reset by peer\n",
            "adb's server does not answer: failed to check server version: protocol fault",
        ),
        (
            f"{VERSIONS}adb: failed to check server version: cannot connect to daemon at tcp:5037\n",
            "Another adb (of version 39, and ours is 41)",
        ),
        ("", "adb ended with 1."),
    ],
)
def test_a_server_that_does_not_start(errors, words, adb):
    adb("", errors=errors, status=1)
    with pytest.raises(DeviceError) as raised:
        listing()
    assert words in str(raised.value) and "\n" not in str(raised.value)


def test_several_are_listed_as_they_have_to_be_typed(adb):
    adb(HEAD + PHONE + OTHER)
    with pytest.raises(DeviceError, match=r"^2 Android devices are connected\.") as raised:
        only_serial()
    assert raised.value.hint == (
        f"Say which, or set ANDROID_SERIAL: adb:R5CT10 (SM_G991B), 'adb:{WIRELESS}' (Pixel_6)."
    )


def test_the_serial_of_the_environment_is_taken(adb, monkeypatch):
    adb(HEAD + PHONE + OTHER)
    monkeypatch.setenv("ANDROID_SERIAL", WIRELESS)
    assert only_serial() == WIRELESS
    monkeypatch.setenv("ANDROID_SERIAL", "-x")
    with pytest.raises(DeviceError, match=r"^ANDROID_SERIAL is no serial: 'adb:-x' is no device\. Unset"):
        only_serial()


def test_one_that_cannot_be_used_says_why(adb):
    adb(f"{HEAD}R5CT10                 unauthorized usb:1-1 transport_id:1\n")
    with pytest.raises(DeviceError, match=r"^adb:R5CT10 is unauthorized\. Unlock it and allow USB debugging"):
        only_serial()


@pytest.mark.parametrize("variable", ["ANDROID_HOME", "ANDROID_SDK_ROOT"])
def test_the_program_is_found_in_android_s_sdk(variable, tmp_path, monkeypatch):
    for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(adb_server.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DeviceError, match=r"^There is no adb\. Install it"):
        adb_program()
    monkeypatch.setenv(variable, str(tmp_path / "sdk"))
    (tmp_path / "sdk/platform-tools").mkdir(parents=True)
    (tmp_path / "sdk/platform-tools/adb").touch(mode=0o755)
    assert adb_program() == str(tmp_path / "sdk/platform-tools/adb")
