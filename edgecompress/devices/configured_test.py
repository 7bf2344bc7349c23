import pytest

from edgecompress.devices.address import Address
from edgecompress.devices.configured import configuration_file, configured_devices, resolve
from edgecompress.errors import DeviceError

DEVICES = """
[devices]
pi = "ssh:pi@raspberrypi.local"
"my phone" = "adb:R5CT10"
small = "emulated:cortex-a53"

[devices.board]
address = "ssh:board"
folder = "/opt/our files"
python = "/opt/venv/bin/python"

[devices.other]
address = "ssh:other"
"""


@pytest.fixture
def configure(tmp_path, monkeypatch):
    """Writes the user's file."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def write(text):
        configuration_file().parent.mkdir(exist_ok=True)
        configuration_file().write_bytes(text if isinstance(text, bytes) else text.encode())

    return write


def test_names_stand_for_addresses(configure):
    configure(DEVICES)
    assert configured_devices() == {
        "pi": Address("ssh", "pi@raspberrypi.local"),
        "my phone": Address("adb", "R5CT10"),
        "small": Address("emulated", "cortex-a53"),
        "board": Address("ssh", "board"),
        "other": Address("ssh", "other"),
    }
    assert resolve("pi") == Address("ssh", "pi@raspberrypi.local") and resolve("my phone") == Address("adb", "R5CT10")


def test_a_table_names_the_folder_and_the_python_too(configure):
    configure(DEVICES)
    board, other = resolve("board"), resolve("other")
    assert (board.folder, board.python) == ("/opt/our files", "/opt/venv/bin/python")
    assert (other.folder, other.python) == ("", "")


def test_what_is_no_name_is_an_address(configure):
    configure(DEVICES)
    assert resolve("local") == Address("local") == resolve(Address("local")) and resolve("ssh:board:2222") == Address(
        "ssh", "board", 2222
    )
    with pytest.raises(DeviceError, match=r"^'usb:1' is no device\. The forms are: local, adb,"):
        resolve("usb:1")


@pytest.mark.parametrize(("text", "near"), [("Pi", "pi"), ("boarb", "board"), ("my_phone", "my phone")])
def test_a_misspelt_name_meets_the_one_that_was_meant(text, near, configure):
    configure(DEVICES)
    with pytest.raises(DeviceError, match=rf"^'{text}' is no device\. Did you mean '{near}'\? Known: pi, my phone, .*"):
        resolve(text)


def test_without_a_file_there_are_no_names(configure):
    assert configured_devices() == {} and resolve("adb") == Address("adb")


@pytest.mark.parametrize("variable", ["", None])
def test_the_file_is_in_the_home_folder_if_not_told_otherwise(variable, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    if variable is not None:
        monkeypatch.setenv("XDG_CONFIG_HOME", variable)
    assert configuration_file() == tmp_path / ".config/edgecompress/devices.toml"


@pytest.mark.parametrize("text", ["", "[other]\nkey = 1", "[devices]"])
def test_a_file_without_devices_is_no_error(text, configure):
    configure(text)
    assert configured_devices() == {}


@pytest.mark.parametrize("text", ['[devices]\npi = "ssh:pi@host', b"\xff\xfe", "[devices]\npi = 'a'\npi = 'b'"])
def test_a_file_that_is_no_toml_is_named(text, configure):
    configure(text)
    with pytest.raises(DeviceError, match=r"^'.*/edgecompress/devices\.toml' cannot be read: .+\.$"):
        configured_devices()


@pytest.mark.parametrize("text", ["devices = 1", 'devices = ["local"]'])
def test_a_file_of_another_form_is_damaged(text, configure):
    configure(text)
    with pytest.raises(DeviceError, match=r"devices\.toml' is damaged\. Expected \[devices\]"):
        resolve("local")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pi = 1", "is damaged"),
        ("pi = ['local']", "is damaged"),
        ("pi.folder = '/opt'", "is damaged"),
        ("pi = { address = 'local', folder = 1 }", "is damaged"),
        ("pi.adress = 'local'", "has a key 'adress'. Did you mean 'address'?"),
        ("pi = { address = 'ssh:pi', folder = 'here' }", "'here' is no folder for files on ssh:pi. Give a path"),
    ],
)
def test_a_device_of_another_form_is_named(text, words, configure):
    configure(f"[devices]\n{text}")
    with pytest.raises(DeviceError, match=r"^'pi' in '.*devices\.toml'") as raised:
        resolve("local")
    assert words in str(raised.value)


def test_a_file_that_may_not_be_read_is_named(configure):
    configuration_file().mkdir(parents=True)
    with pytest.raises(DeviceError, match=r"devices\.toml' cannot be read: .*directory"):
        configured_devices()


@pytest.mark.parametrize("address", ["nonsense", "ssh:-oProxyCommand=x", "adb:-x", "emulated:z80", ""])
def test_a_wrong_address_is_quoted(address, configure):
    configure(f'[devices]\npi = "{address}"')
    with pytest.raises(DeviceError, match=r"^'pi' in '.*devices\.toml'") as raised:
        configured_devices()
    assert (address.partition(":")[2] or f"'{address}' is no device") in str(raised.value)
