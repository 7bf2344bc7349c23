"""Good devices are ready; bad boards are not, with a remedy that is true, and nothing large is pushed to them."""

import shutil
import subprocess
from contextlib import ExitStack, contextmanager

import pytest

from device_tests.conftest import SHORT
from device_tests.servers import ALIAS, VARIANTS, bind_machine, free_port, ssh_server
from device_tests.variants import NAMES as MADE
from device_tests.variants import files_below, runtime_libraries
from edgecompress.devices.address import parse_address
from edgecompress.errors import DeviceError
from edgecompress.pipeline.on_devices.profile import profile_files
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.readiness.check import check_address
from edgecompress.profiling.readiness.step import NAMES
from edgecompress.testing.sample_files import partly_delegated

emulated = pytest.mark.emulated
FOLDERS = ("root", "tmp", "var/tmp", "dev/shm")  # that our files may lie in
BOARD = parse_address(f"ssh:{ALIAS}")


def test_it_is_ready(device):
    found = check_address(parse_address(device))
    names = [step.name for step in found.steps]
    assert found.is_ready, found.steps
    assert names == [name for name in NAMES if name in names] and names[-1] == "runner"
    if device.startswith("ssh:"):
        assert {"name", "port", "host key", "login", "folder", "push", "throttling"} < {*names}
    if device.startswith("adb:"):
        assert {"adb", "folder", "push", "screen", "battery saver", "thermal status"} < {*names}


@pytest.fixture(scope="module")
def variants(machines):
    """The boards of this machine's own processor, each with the hardware of a Raspberry Pi."""
    for name in MADE:
        bind_machine(VARIANTS / name, machines["pi"])
    return VARIANTS


@pytest.fixture
def board(variants, tmp_path, monkeypatch):
    """Starts an sshd in a variant, and points ssh's client at it."""

    @contextmanager
    def start(name, *, executes=True):
        if name not in MADE:
            pytest.skip("the boards are made for x86-64")
        with ExitStack() as stack:
            for folder in () if executes else FOLDERS:
                stack.enter_context(_nothing_executes(variants / name / folder))
            server = stack.enter_context(ssh_server(tmp_path / name, variants / name, port=free_port()))
            monkeypatch.setenv("EDGECOMPRESS_SSH_CONFIG", str(server.config))
            yield variants / name

    return start


@contextmanager
def _nothing_executes(folder):
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec,mode=1777", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("name", ["good", "old"])
@emulated
def test_a_board_of_this_machines_processor_is_ready_and_measures(name, board, tmp_path):
    with board(name):
        found = check_address(BOARD)
        measured = profile_files([partly_delegated(tmp_path)], devices=[BOARD], plan=Plan(**SHORT)).measurements
    assert found.is_ready and len(measured) == 1, found.steps


BAD = {
    "i386": ("system", "a 64-bit kernel and a 32-bit system", "64-bit"),
    "musl": ("system", "the C library musl", "Debian 12"),
    "old-arm": ("system", "the GNU C library 2.31; LiteRT 2.3.0 needs 2.34", "Debian 12"),
    "noexec": ("folder", "nothing in it can be executed", "--device-folder"),
    "bare": ("runner", "lacks libstdc++.so.6 and libgcc_s.so.1", "apt-get install libstdc++6 libgcc-s1"),
}


@pytest.mark.parametrize("kind", BAD)
@emulated
def test_a_bad_board_is_not_ready_and_measures_nothing(kind, board, tmp_path):
    name, words, remedy = BAD[kind]
    where = board("good", executes=False) if kind == "noexec" else board(kind)
    with where as root:
        found = check_address(BOARD)
        with pytest.raises(DeviceError) as raised:
            profile_files([partly_delegated(tmp_path)], devices=[BOARD], plan=Plan(**SHORT))
    assert not found.is_ready and found.steps[-1].name == name, found.steps
    assert words in found.steps[-1].found and remedy in found.steps[-1].remedy
    assert words in raised.value.message and remedy in raised.value.hint
    assert name == "runner" or kind == "noexec" or not files_below(root, "libLiteRt.so")


@emulated
def test_the_remedy_for_missing_libraries_helps(board, tmp_path):
    with board("bare") as root:
        assert not check_address(BOARD).is_ready
        added = [root / path.relative_to(VARIANTS / "good") for path in runtime_libraries(VARIANTS / "good")]
        for path in added:  # what apt-get does
            shutil.copy2(VARIANTS / "good" / path.relative_to(root), path, follow_symlinks=False)
        try:
            assert check_address(BOARD).is_ready
            (measured,) = profile_files([partly_delegated(tmp_path)], devices=[BOARD], plan=Plan(**SHORT)).measurements
            assert measured.runner == "native" and measured.steady.count >= 5
        finally:
            for path in added:
                path.unlink()


@emulated
def test_a_python_without_modules_is_refused_with_the_recipe(board, tmp_path):
    """The root has no Python at all."""
    plan = Plan(runner="python", **SHORT)
    with board("good"), pytest.raises(DeviceError, match="has no python3") as raised:
        profile_files([partly_delegated(tmp_path)], devices=[BOARD], plan=plan)
    assert "apt-get install -y python3-venv" in raised.value.hint or "python3 -m venv" in raised.value.hint
    assert "--device-python /root/edgecompress/bin/python" in raised.value.hint
