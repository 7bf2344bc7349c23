import pytest

from edgecompress.devices.address import parse_address
from edgecompress.devices.ways.ssh_login import read_login

CONFIG = """
Host board
  HostName 10.0.0.2
  Port 2200
  User pi
Host far
  HostName 10.1.1.1
  User pi
  ProxyJump jump@gate:2222
Host *
  IdentityFile {keys}/key
"""


@pytest.fixture
def keys(tmp_path):
    """The folder for the only key that ssh would try, which is not there."""
    (tmp_path / "keys").mkdir()
    return tmp_path / "keys"


@pytest.fixture
def login(keys, tmp_path):
    """Makes what the real `ssh -G` says for an address, with more lines before the configuration."""

    def make(address="ssh:board", *, before=""):
        (tmp_path / "config").write_text(f"{before}\n{CONFIG.format(keys=keys)}")
        return read_login(parse_address(address), config=str(tmp_path / "config"))

    return make
