import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.devices.address import Address, parse_address
from edgecompress.errors import DeviceError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("local", Address("local")),
        ("adb", Address("adb")),
        ("adb:R5CT10ABCDE", Address("adb", "R5CT10ABCDE")),
        ("adb:192.168.1.7:5555", Address("adb", "192.168.1.7:5555")),
        ("ssh:pi@raspberrypi.local", Address("ssh", "pi@raspberrypi.local")),
        ("ssh:raspberrypi", Address("ssh", "raspberrypi")),
        ("ssh:pi@10.0.0.2:2222", Address("ssh", "pi@10.0.0.2", 2222)),
        ("ssh:pi@[fe80::1]:22", Address("ssh", "pi@fe80::1", 22)),
        ("emulated:cortex-a76", Address("emulated", "cortex-a76")),
    ],
)
def test_addresses(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "adb:", "ssh:", "ssh:-oProxyCommand=x", "ssh:pi@-x", "adb:-s", "ssh:a b", "ssh:$(id)", "ssh:h:0",
     "ssh:h:70000", "emulated:z80", "usb:1", "local:1", "adb:a;b"],
)  # fmt: skip
def test_what_is_no_address(text):
    with pytest.raises(DeviceError):
        parse_address(text)


@given(st.text())
def test_nothing_else_gets_through_to_a_client_program(text):
    """No dash at the start, no white space, no character that a shell would take for more."""
    for kind in ("adb", "ssh"):
        try:
            target = parse_address(f"{kind}:{text}").target
        except DeviceError:
            continue
        assert target[0] not in "-@" and not set(target) & set(" \t\n'\"`$;&|<>(){}\\*?~!#=")
