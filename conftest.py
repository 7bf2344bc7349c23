"""What all tests share."""

import pytest

from edgecompress.devices.ways.local import LocalTransport


@pytest.fixture(autouse=True, scope="session")
def own_lock(tmp_path_factory):
    """Tests that measure on this machine wait for no one else who does, nor for those of another worker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalTransport, "lock_folders", (str(tmp_path_factory.mktemp("lock")),))
        yield
