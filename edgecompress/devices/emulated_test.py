import shutil
from pathlib import Path

import pytest

from edgecompress.devices import emulated
from edgecompress.devices.address import EMULATED_CPUS, Address
from edgecompress.devices.conditions import snapshot
from edgecompress.devices.emulated import LIBRARIES, QEMU, EmulatedTransport
from edgecompress.errors import DeviceError

CAN_EMULATE = shutil.which(QEMU) is not None and LIBRARIES.is_dir()
pytestmark = pytest.mark.skipif(not CAN_EMULATE, reason=f"it takes {QEMU} and {LIBRARIES}")


def machine(transport):
    """The folder that QEMU shows."""
    words = transport.emulator(Path("/p.so"), Path("/counts"))
    return Path(words[words.index("-L") + 1])


@pytest.mark.parametrize("cpu", EMULATED_CPUS)
def test_the_words_before_a_command(cpu):
    with EmulatedTransport(Address("emulated", cpu)) as transport:
        words = transport.emulator(Path("/a b/p.so"), Path("/a b/counts"))
        folder = str(machine(transport))
    assert words == [QEMU, "-L", folder, "-cpu", cpu, "-plugin", "/a b/p.so,out=/a b/counts"]


@pytest.mark.parametrize(("plugin", "counts"), [("/a,b/p.so", "/counts"), ("/p.so", "/counts,x=1")])
def test_commas_are_refused(plugin, counts):
    with (
        EmulatedTransport(Address("emulated", "max")) as transport,
        pytest.raises(DeviceError, match=r"^'.*,.*' must not have a comma in it\."),
    ):
        transport.emulator(Path(plugin), Path(counts))


def test_without_qemu_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DeviceError, match="^emulated:max cannot be emulated: qemu-aarch64 is missing") as raised:
        EmulatedTransport(Address("emulated", "max"))
    assert raised.value.hint.startswith("`sudo apt-get install qemu-user ")


def test_without_the_c_library_the_error_names_its_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(emulated, "LIBRARIES", tmp_path / "missing")
    with pytest.raises(DeviceError, match="cannot be emulated: .*/missing is missing"):
        EmulatedTransport(Address("emulated", "max"))


@pytest.mark.parametrize("cpu", EMULATED_CPUS)
def test_the_made_machine(cpu):
    """Four cores of the processor asked for, and a snapshot of it says so."""
    with EmulatedTransport(Address("emulated", cpu)) as transport:
        folder = machine(transport)
        found = snapshot(root=str(folder))
        assert found["processor"] == {"cortex-a53": "0xd03", "cortex-a72": "0xd08"}.get(cpu, "0xd0b")
        assert found["cores"] == "0-3"
        assert ("asimddp" in found["flags"]) == (cpu in ("cortex-a76", "max"))
        assert ("i8mm" in found["flags"]) == (cpu == "max")
        assert (folder / "proc/cpuinfo").read_text().count("processor\t:") == 4
        assert (folder / "lib" / "ld-linux-aarch64.so.1").is_file()
    assert not folder.exists()


def test_it_runs_this_machines_commands():
    """The shell and the files are the host's; only what stands behind `emulator` is for Arm."""
    with EmulatedTransport(Address("emulated", "max")) as transport:
        assert transport.shell("echo here").stdout == "here\n"
