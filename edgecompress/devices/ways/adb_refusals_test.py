"""On adb's words: those of 29.0.6 where no comment says that they are of its source."""

import pytest

from edgecompress.devices.address import Address
from edgecompress.devices.ways.adb_refusals import known
from edgecompress.errors import DeviceError, DeviceGone

PHONE = Address("adb", "R5CT10")
VERSIONS = "adb server version (39) doesn't match this client (41); killing...\n* daemon started successfully\n"


@pytest.mark.parametrize(
    ("said", "sentence", "kind"),
    [
        ("error: device 'R5CT10' not found\n", "is not connected. `edgecompress devices` lists what is.", DeviceError),
        ("error: no devices/emulators found\n", "is not connected.", DeviceError),
        ("error: device offline\n", "is offline. Reconnect the cable", DeviceError),
        (
            "error: device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set\n"
            "Try 'adb kill-server' if that seems wrong.\n",
            "is unauthorized. Unlock it",
            DeviceError,
        ),
        ("error: device still authorizing\n", "is authorizing. Unlock it", DeviceError),  # its source
        ("error: device still connecting\n", "is connecting. Wait a moment", DeviceError),  # its source
        ("error: device only supports allocating a pty\n", "runs Android before 7, whose adb", DeviceError),
        ("error: target doesn't support PTY args -Tt\n", "runs Android before 7, whose adb", DeviceError),  # its source
        ("error: closed\n", "was lost: closed. Is it still connected?", DeviceGone),
        ("adb: error: failed to get feature set: closed\n", "was lost: failed to get feature set: closed.", DeviceGone),
        (f"{VERSIONS}error: device 'R5CT10' not found\n", "is not connected. Another adb (of version 39", DeviceError),
        (f"{VERSIONS}error: closed\n", "was lost: closed. Another adb (of version 39, and ours is 41)", DeviceGone),
        ("\x1b[2J\nerror: \x1b[31mbad\x07\n", "was lost: [31mbad.", DeviceGone),
    ],
)
def test_what_adb_says(said, sentence, kind, monkeypatch):
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    found = known(PHONE, f"* daemon not running; starting now at tcp:5037\n{said}")
    assert type(found) is kind and str(found).startswith(f"adb:R5CT10 {sentence}")


def test_a_usb_device_that_this_user_may_not_open():
    said = "error: insufficient permissions for device: user in plugdev group; are your udev rules wrong?\n"
    found = known(PHONE, said)
    assert found.message == "This user may not open the USB device of adb:R5CT10." and "plugdev" in found.hint


def test_a_serial_of_the_environment_is_named_where_it_is_not_connected(monkeypatch):
    monkeypatch.setenv("ANDROID_SERIAL", "R5CT10")
    assert "ANDROID_SERIAL names" in known(PHONE, "error: device 'R5CT10' not found\n").hint
    assert "ANDROID_SERIAL" not in known(Address("adb", "OTHER"), "error: device 'OTHER' not found\n").hint


@pytest.mark.parametrize("said", ["", "sh: x: not found\n", "* daemon started successfully\n"])
def test_words_of_the_device_are_not_adb_s(said):
    assert known(PHONE, said) is None
