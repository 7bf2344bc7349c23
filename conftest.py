"""What all tests share."""

import pytest

from edgecompress.devices.ways.local import LocalTransport
from edgecompress.profiling import warmup


@pytest.fixture(autouse=True, scope="session")
def own_lock(tmp_path_factory):
    """Tests that measure on this machine wait for no one else who does, nor for those of another worker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalTransport, "lock_folders", (str(tmp_path_factory.mktemp("lock")),))
        yield


@pytest.fixture
def short_warm_up(monkeypatch):
    """For tests of which no figure is read: times need not become flat."""
    monkeypatch.setattr(warmup, "MIN_S", 0.05)
    monkeypatch.setattr(warmup, "MAX_S", 0.1)
