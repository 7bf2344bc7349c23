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
        ("ssh:[::1]", Address("ssh", "::1")),
        ("ssh:pi@[fe80::1%enp0s31f6]", Address("ssh", "pi@fe80::1%enp0s31f6")),
        ("ssh:first.last@board", Address("ssh", "first.last@board")),
        ("ssh:1digit@board:22", Address("ssh", "1digit@board", 22)),
        ("ssh:DOM\\user@board", Address("ssh", "DOM\\user@board")),
        ("ssh:user@realm.org@board", Address("ssh", "user@realm.org@board")),
        ("adb:adb-R5CT10-x1 (2)._adb-tls-connect._tcp", Address("adb", "adb-R5CT10-x1 (2)._adb-tls-connect._tcp")),
        ("emulated:cortex-a76", Address("emulated", "cortex-a76")),
    ],
)
def test_addresses(text, address):
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "adb:", "ssh:", "ssh:-oProxyCommand=x", "ssh:pi@-x", "adb:-s", "ssh:a b", "ssh:$(id)", "ssh:h:0",
     "ssh:h:70000", "emulated:z80", "usb:1", "local:1", "adb:a;b", "adb:a ", "adb: a", "ssh:user\\@h", "ssh:a\\",
     "ssh:.a@h", "ssh:[abc]", "ssh:[1:2]", "ssh:[fe80::1%]", "ssh:[fe80::1%a;b]", "ssh:[fe80::1", "ssh:@h", "ssh:a@@",
     "ssh:h:\u0663"],
)  # fmt: skip
def test_what_is_no_address(text):
    with pytest.raises(DeviceError):
        parse_address(text)


@pytest.mark.parametrize("target", ["fe80::1", "::1", "pi@fd00::1:22"])
def test_an_ipv6_address_without_brackets_is_told_of_them(target):
    with pytest.raises(DeviceError, match="brackets") as raised:
        parse_address(f"ssh:{target}")
    assert str(parse_address(raised.value.hint.split("'")[1]))


def test_a_folder_and_a_python_are_the_user_s_and_no_part_of_the_name():
    address = parse_address("ssh:board").using(folder="/opt/our files", python="/opt/venv/bin/python")
    assert (address.folder, address.python) == ("/opt/our files", "/opt/venv/bin/python")
    assert address == parse_address("ssh:board") and str(address) == "ssh:board"
    assert address.using(folder="/tmp").python == address.python and address.using().folder == address.folder


@pytest.mark.parametrize("folder", ["relative", "~/here", "/", "/a\nb", "/\x1b[2J", "/" + "a" * 300])
def test_what_is_no_folder(folder):
    with pytest.raises(DeviceError, match="is no folder for files on ssh:board"):
        parse_address("ssh:board").using(folder=folder)


@given(
    st.text()
    | st.from_regex(r"([a-z0-9\\\\.@_-]{0,9}@)?(\[[0-9a-f:]{0,9}\]|[a-z0-9.-]{0,9})(:[0-9]{1,5})?", fullmatch=True)
)
def test_nothing_else_gets_through_to_a_client_program(text):
    """No dash at the start, and nothing that a shell would take for more but what names have to have."""
    for kind, allowed in (("adb", " ()"), ("ssh", "\\")):
        try:
            address = parse_address(f"{kind}:{text}")
        except DeviceError:
            continue
        target = address.target
        assert target[0] not in "-@" and not set(target) & set(" \t\n'\"`$;&|<>(){}\\*?~!#=") - set(allowed)
        assert target == target.strip() and not target.rpartition("@")[0].endswith("\\")
        assert parse_address(str(address)) == address
