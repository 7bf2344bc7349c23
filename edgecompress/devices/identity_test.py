import hashlib
import re
from pathlib import Path

import pytest

from edgecompress.devices.address import Address
from edgecompress.devices.identity import Identity, identify, identity_of
from edgecompress.devices.probe import probe
from edgecompress.devices.probe_test import Says
from edgecompress.devices.ways.emulated import EmulatedTransport
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.errors import DeviceError


def digest(number):
    return hashlib.sha256(number.encode()).hexdigest()[:12]


def test_this_machine():
    found = identify(LocalTransport())
    assert re.fullmatch(r"[0-9a-f]{12}", found.device)
    assert found.boot == digest(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    assert found == identify(LocalTransport()) and probe(LocalTransport()).identity == found.device


@pytest.mark.parametrize(
    ("answers", "number"),
    [
        ("serial=R5CT10\nboard_serial=1\nmachine_id=2\nboot=3", "R5CT10"),
        ("serial=\nboard_serial=10000000abcd\nmachine_id=2\nboot=3", "10000000abcd"),
        ("board_serial=0000000000000000\nmachine_id=2\nboot=3", "2"),
        ("serial=unknown\nmachine_id=uninitialized\nboot=3", "3"),
    ],
)
def test_the_first_number_that_there_is(answers, number):
    assert identify(Says(answers)).device == digest(number)


def test_a_device_that_tells_nothing_is_like_no_other():
    assert identity_of({}) == "" and identify(Says("")) == Identity("", "")
    assert identify(Says("boot=\nnoise\n=\n")) == Identity("", "")


def test_an_emulated_processor_is_no_device():
    try:
        with EmulatedTransport(Address("emulated", "max")) as transport:
            assert identify(transport) == Identity("", "")
    except DeviceError as error:
        pytest.skip(str(error))
