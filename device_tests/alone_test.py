"""A device measures one thing at a time, whichever names, users and hosts it is asked by."""

import pytest

from device_tests.conftest import SHORT, reconnect
from device_tests.servers import ALIAS, ROOTS, adb_daemon, free_port
from edgecompress.devices.address import parse_address
from edgecompress.devices.connect import connect
from edgecompress.devices.identity import identify
from edgecompress.devices.wire.client import execute
from edgecompress.errors import DeviceError
from edgecompress.pipeline.profile import profile_files
from edgecompress.profiling.plan import Plan
from edgecompress.runtimes.sample_files_test import partly_delegated

emulated = pytest.mark.emulated


@pytest.fixture
def small(tmp_path):
    return partly_delegated(tmp_path)


def one_device(names, small):
    """Whether several names are refused, as those of one device."""
    with pytest.raises(DeviceError) as error:
        profile_files([small], devices=names, plan=Plan(**SHORT))
    assert error.value.message.startswith("A device is named twice: ") and all(
        name in str(error.value) for name in names
    )
    return True


def test_a_device_has_an_identity_of_its_own(device, transport):
    found = identify(transport)
    assert found == identify(transport) and len(found.device) == len(found.boot) == 12
    if device != "local":
        with connect(parse_address("local")) as here:
            assert identify(here).device != found.device


@emulated
def test_two_names_of_one_board(fleet, small, tmp_path, monkeypatch):
    config = fleet.pi.config.read_text().replace(f"Host {ALIAS}\n", f"Host {ALIAS} same-board\n")
    (tmp_path / "config").write_text(config)
    monkeypatch.setenv("EDGECOMPRESS_SSH_CONFIG", str(tmp_path / "config"))
    assert one_device([f"ssh:{ALIAS}", "ssh:same-board"], small)


@emulated
def test_two_serials_of_one_phone(fleet, small, tmp_path):
    """As by cable and by network at once."""
    with adb_daemon(tmp_path / "network", ROOTS / "phone", port=free_port()) as second:
        reconnect(second)
        assert one_device([f"adb:{fleet.phone.serial}", f"adb:{second.serial}"], small)
        execute(["adb", "disconnect", second.serial], timeout_s=20, what="adb")
