"""What all tests share."""

import os
import tempfile

import pytest

from edgecompress.child import kept
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


class Idle(list):
    """Children that are kept for tests with the surroundings in which they were started; others get none of them."""

    def __init__(self):
        super().__init__()
        self._surroundings = surroundings()

    def __iter__(self):
        return super().__iter__() if surroundings() == self._surroundings else iter(())

    def append(self, service_and_child):
        if surroundings() == self._surroundings:
            super().append(service_and_child)
        else:
            service_and_child[1].close()


def surroundings():
    """What of a test a child is given when it starts, besides its service."""
    passing = ("PYTEST_CURRENT_TEST", "KMP_")  # the latter scikit-learn sets when it is imported
    variables = {name: value for name, value in os.environ.items() if not name.startswith(passing)}
    return variables, tempfile.gettempdir()


@pytest.fixture(autouse=True, scope="session")
def kept_children(shared_folder):
    """Children outlive a test, as they do a file in a command: what each imports takes seconds."""
    with kept.kept(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "_idle", idle := Idle())
        yield idle
        for _, child in idle:
            child.close()


@pytest.fixture
def own_children(monkeypatch):
    """For tests that look at processes, or surround them with what is theirs alone: nobody keeps children."""
    monkeypatch.setattr(kept, "_idle", None)
