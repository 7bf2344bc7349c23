"""What all tests share."""

import os

import pytest

from edgecompress.devices.ways.local import LocalTransport
from edgecompress.profiling import warmup
from edgecompress.testing.shared import FOLDER


@pytest.fixture(autouse=True, scope="session")
def own_lock(tmp_path_factory):
    """Tests that measure on this machine wait for no one else who does, nor for those of another worker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalTransport, "lock_folders", (str(tmp_path_factory.mktemp("lock")),))
        yield


@pytest.fixture(autouse=True, scope="session")
def shared_folder(tmp_path_factory):
    """One for all workers of a run, which each have a folder in the run's."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER, str(folder))
        yield


@pytest.fixture
def short_warm_up(monkeypatch):
    """For tests of which no figure is read: times need not become flat."""
    monkeypatch.setattr(warmup, "MIN_S", 0.05)
    monkeypatch.setattr(warmup, "MAX_S", 0.1)
