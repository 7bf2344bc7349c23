import click
import pytest
from click.testing import CliRunner

from edgecompress.cli.device_options import folder_option, in_folder, on_option
from edgecompress.devices.address import Address
from edgecompress.devices.configured import configuration_file
from edgecompress.errors import DeviceError


@pytest.fixture(autouse=True)
def configuration(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    configuration_file().parent.mkdir()
    configuration_file().write_text('[devices.pi]\naddress = "ssh:pi@board"\nfolder = "/opt/theirs"\npython = "/p"\n')


@pytest.fixture
def given():
    """Returns the devices that a command gets."""
    got = []

    @click.command()
    @on_option
    @folder_option
    def command(devices):
        got.append(devices)

    def run(*words):
        result = CliRunner().invoke(command, words, catch_exceptions=False)
        return got.pop() if result.exit_code == 0 else result.output

    return run


def test_devices_remain_names_without_a_folder(given):
    assert given() == ("local",) and given("--on", "pi", "--on", "adb") == ("pi", "adb")


@pytest.mark.parametrize("first", ["--on", "--device-folder"])
def test_the_folder_goes_with_every_device_in_either_order(first, given):
    on, folder = ("--on", "pi", "--on", "adb"), ("--device-folder", "/opt/ours")
    devices = given(*on, *folder) if first == "--on" else given(*folder, *on)
    assert devices == (Address("ssh", "pi@board"), Address("adb"))
    assert [each.folder for each in devices] == ["/opt/ours"] * 2 and devices[0].python == "/p"


@pytest.mark.parametrize(("device", "words"), [("local", "local is none"), ("emulated:max", "emulated:max is none")])
def test_what_has_no_folder_of_ours_is_refused(device, words, given):
    assert words in given("--on", device, "--device-folder", "/opt/ours")


def test_a_folder_that_is_none_is_a_sentence(given):
    with pytest.raises(DeviceError, match="'ours' is no folder for files on adb"):
        given("--on", "adb", "--device-folder", "ours")


def test_a_folder_without_a_device_is_refused():
    @click.command()
    @click.option("--on", "devices", multiple=True, callback=in_folder)
    @folder_option
    def command(devices):
        pytest.fail("it has nothing to do")

    assert "there is none" in CliRunner().invoke(command, ["--device-folder", "/opt/ours"]).output
