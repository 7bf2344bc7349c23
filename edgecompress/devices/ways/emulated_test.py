import platform
import shutil
import statistics
from pathlib import Path

import pytest

from edgecompress.devices.address import EMULATED_CPUS, Address
from edgecompress.devices.conditions import snapshot
from edgecompress.devices.probe import probe
from edgecompress.devices.ways import emulated
from edgecompress.devices.ways.emulated import LIBRARIES, QEMU, EmulatedTransport
from edgecompress.errors import DeviceError
from edgecompress.native.build import MACHINES
from edgecompress.profiling.runner.launch import launch
from edgecompress.profiling.runner.session import RunnerSession
from edgecompress.testing.sample_files import int8_relu, partly_delegated, quantized_relu

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
    told = "max,sme=off" if cpu == "max" else cpu
    assert words == [QEMU, "-L", folder, "-cpu", told, "-plugin", "/a b/p.so,out=/a b/counts"]


@pytest.mark.parametrize(
    ("version", "told"), [("6.2.0", "max"), ("7.0.50", "max"), ("7.1.0", "max,sme=off"), ("10.0.2", "max,sme=off")]
)
def test_the_matrix_extension_is_left_out_where_qemu_knows_it(version, told, tmp_path, monkeypatch):
    (tmp_path / QEMU).write_text(f"#!/bin/sh\necho 'qemu-aarch64 version {version} (Debian 1:{version})'\n")
    (tmp_path / QEMU).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert emulated._processor.__wrapped__("max") == told
    assert emulated._processor.__wrapped__("cortex-a53") == "cortex-a53"


@pytest.mark.parametrize(("plugin", "counts"), [("/a,b/p.so", "/counts"), ("/p.so", "/counts,x=1")])
def test_commas_are_refused(plugin, counts):
    with (
        EmulatedTransport(Address("emulated", "max")) as transport,
        pytest.raises(DeviceError, match=r"^'.*,.*' must not have a comma in it\."),
    ):
        transport.emulator(Path(plugin), Path(counts))


def test_without_qemu_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DeviceError, match=r"^emulated:max cannot be emulated: qemu-aarch64 is missing") as raised:
        EmulatedTransport(Address("emulated", "max"))
    assert raised.value.hint.startswith("`sudo apt-get install qemu-user ")


def test_without_the_c_library_the_error_names_its_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(emulated, "LIBRARIES", tmp_path / "missing")
    with pytest.raises(DeviceError, match=r"cannot be emulated: .*/missing is missing"):
        EmulatedTransport(Address("emulated", "max"))


@pytest.mark.parametrize("cpu", EMULATED_CPUS)
def test_the_made_machine(cpu):
    """Four cores with the features of the processor asked for, and a snapshot of it says so."""
    with EmulatedTransport(Address("emulated", cpu)) as transport:
        folder = machine(transport)
        found = snapshot(root=str(folder))
        assert found["processor"] == "0xd08"  # whichever it is, so that kernels are chosen by its features alone
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


LARGEST_BLOCK = 512  # instructions that QEMU translates at a time; one that is interrupted is counted again


def count(cpu, path, folder):
    """The median of an inference's instructions, and the hash of the outputs."""
    counts = folder / "counts"
    with EmulatedTransport(Address("emulated", cpu)) as transport:
        how = launch(transport, probe(transport), path, runner="native", threads=1, counts=counts)
        with RunnerSession(transport, how.words, model=path.name, limit_s=60) as session:
            assert len(session.time_block(runs=21).samples_ns) == 21
            counted = [int(line) for line in counts.read_text().split()]
            assert len(counted) == 21 and min(counted) > 0
            return statistics.median(counted), session.opened.output_hash


@pytest.mark.skipif(platform.machine() not in MACHINES, reason=f"no plugin is built for {platform.machine()}")
@pytest.mark.parametrize("make", [partly_delegated, quantized_relu])
def test_an_inference_takes_the_same_instructions_each_time(make, tmp_path):
    (first, hash_of_first), (second, hash_of_second) = (count("cortex-a53", make(tmp_path), tmp_path) for _ in range(2))
    assert abs(first - second) <= LARGEST_BLOCK and hash_of_first == hash_of_second


@pytest.mark.skipif(platform.machine() not in MACHINES, reason=f"no plugin is built for {platform.machine()}")
def test_more_elements_take_more_instructions(tmp_path):
    """4 values in one operator, and 4096 in three: 4 values a vector, so at least 3 * 1024 instructions more."""
    few, _ = count("cortex-a53", int8_relu(tmp_path), tmp_path)
    many, _ = count("cortex-a53", partly_delegated(tmp_path), tmp_path)
    assert many - few > 3 * 1024
