from edgecompress.devices.address import Address
from edgecompress.devices.connect import connect
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.devices.ways.ssh import SshTransport


def test_each_kind_of_address_has_its_transport():
    assert type(connect(Address("local"))) is LocalTransport
    with connect(Address("ssh", "user@board", 2222)) as transport:
        assert isinstance(transport, SshTransport) and transport.address.port == 2222
