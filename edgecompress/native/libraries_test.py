import dataclasses
import platform
import re
from pathlib import Path

import pytest

from edgecompress.errors import DeviceError
from edgecompress.native import libraries
from edgecompress.native.cache import cache_folder
from edgecompress.native.libraries import LIBRARIES, library_file, library_for, require_glibc
from edgecompress.storage import sha256_of

PINS = Path(__file__).parents[2] / "requirements" / "run.in"
LITERT_ARM, ONNX_ARM = (library_for(runtime, "aarch64", device="") for runtime in ("litert", "onnx"))


def name(library):
    return f"{library.runtime}-{library.machine}"


def glibc_of(path):
    """The newest version that the file has among its strings, where the dynamic linker reads it."""
    found = re.findall(rb"\0GLIBC_(\d+)\.(\d+)(?:\.\d+)?(?=\0)", path.read_bytes())
    return max((int(major), int(minor)) for major, minor in found)


def test_the_versions_are_the_pinned_ones():
    """So that a device runs what this host runs."""
    pins = dict(line.split("==") for line in PINS.read_text().splitlines() if "==" in line)
    for library in LIBRARIES:
        assert library.version == pins[library.package].strip()
    assert len({(library.runtime, library.machine) for library in LIBRARIES}) == len(LIBRARIES) == 4


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the installed libraries are this machine's")
@pytest.mark.parametrize("runtime", ["litert", "onnx"])
def test_an_installed_library_is_used_where_it_is(runtime, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    library = library_for(runtime, "x86_64", device="")
    path = library_file(library)
    assert sha256_of(path) == library.sha256 and str(path).endswith(library.member)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("library", LIBRARIES, ids=name)
def test_the_glibc_in_the_table_is_what_the_file_asks_for(library):
    assert glibc_of(library_file(library)) == library.glibc


@pytest.mark.parametrize("runtime", ["litert", "onnx"])
@pytest.mark.parametrize("machine", ["armv7l", "armv6l", "armv8l", "i686"])
def test_32_bit_systems_are_refused_in_a_sentence(runtime, machine):
    with pytest.raises(DeviceError, match=r"^ssh:pi is a 32-bit system, for which .* publish no wheels\.") as raised:
        library_for(runtime, machine, device="ssh:pi")
    assert "64-bit" in raised.value.hint


@pytest.mark.parametrize(
    ("machine", "hint"), [("aarch64", "Install Raspberry Pi OS (64-bit) on the card"), ("x86_64", "Install a 64-bit")]
)
def test_a_32_bit_system_on_a_64_bit_kernel_is_refused(machine, hint):
    with pytest.raises(DeviceError, match=r"^ssh:pi has a 64-bit kernel and a 32-bit system, for which") as raised:
        library_for("litert", machine, device="ssh:pi", bits=32)
    assert raised.value.hint.startswith(hint)


def test_the_way_out_of_32_bit_arm_is_one_that_the_processor_can_go():
    hints = {}
    for machine in ("armv6l", "armv7l"):
        with pytest.raises(DeviceError) as raised:
            library_for("litert", machine, device="ssh:pi", bits=32)
        hints[machine] = raised.value.hint
    assert hints["armv6l"].startswith("No 64-bit system runs") and hints["armv7l"].startswith("Install Raspberry Pi OS")


def test_a_device_that_does_not_tell_its_processor():
    with pytest.raises(DeviceError, match=r"^ssh:pi does not tell which processor it has\."):
        library_for("litert", "", device="ssh:pi")


@pytest.mark.parametrize("machine", ["riscv64", "m" * 1000])
def test_other_processors_are_refused_in_a_sentence(machine):
    with pytest.raises(DeviceError, match=r"^ssh:pi has a m*.* processor, for which there is no runtime\.") as raised:
        library_for("onnx", machine, device="ssh:pi")
    assert machine[:40] in raised.value.message and len(raised.value.message) < 120


@pytest.mark.parametrize(
    ("library", "found"), [(LITERT_ARM, (2, 31)), (LITERT_ARM, (2, 33)), (LITERT_ARM, (1, 99)), (ONNX_ARM, (2, 27))]
)
def test_an_older_c_library_is_refused_with_both_versions(library, found):
    with pytest.raises(DeviceError, match=r"^ssh:pi has the GNU C library") as raised:
        require_glibc(library, found, device="ssh:pi")
    assert f"{found[0]}.{found[1]};" in raised.value.message
    assert f"{library.label} needs 2.{library.glibc[1]} or newer." in raised.value.message


def test_another_c_library_is_refused():
    with pytest.raises(DeviceError, match=r"^adb has no GNU C library; LiteRT 2\.3\.0 needs 2\.34 or newer\."):
        require_glibc(LITERT_ARM, None, device="adb")
    with pytest.raises(
        DeviceError, match=r"^ssh:alpine has the C library musl, and no GNU C library; LiteRT"
    ) as raised:
        require_glibc(LITERT_ARM, None, device="ssh:alpine", libc="musl")
    assert "Debian 12" in raised.value.hint


@pytest.mark.parametrize("library", LIBRARIES, ids=name)
def test_the_very_version_and_later_ones_are_accepted(library):
    major, minor = library.glibc
    for found in ((major, minor), (major, minor + 1), (major + 1, 0)):
        require_glibc(library, found, device="ssh:pi")


@pytest.mark.slow
def test_a_damaged_file_in_the_cache_is_fetched_anew_and_a_good_one_is_kept(tmp_path, monkeypatch):
    """From the package index: the smaller of the two wheels for Arm."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = cache_folder() / LITERT_ARM.sha256 / "libLiteRt.so"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    assert library_file(LITERT_ARM) == path and sha256_of(path) == LITERT_ARM.sha256
    before = path.stat()
    assert library_file(LITERT_ARM) == path
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [each.name for each in path.parent.iterdir()] == ["libLiteRt.so"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hashed", "reason"), [("wheel_sha256", "cannot be fetched: ERROR"), ("sha256", "is not the file that was pinned")]
)
def test_a_wheel_or_a_member_with_another_hash_is_refused_and_leaves_nothing(hashed, reason, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DeviceError, match=rf"LiteRT 2\.3\.0 for aarch64 {reason}"):
        library_file(dataclasses.replace(LITERT_ARM, **{hashed: "0" * 64}))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_without_a_package_index_the_error_asks_for_a_network(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for variable, value in (
        ("PIP_CONFIG_FILE", "/dev/null"),
        ("PIP_INDEX_URL", "http://127.0.0.1:9/simple"),  # nothing listens there
        ("PIP_EXTRA_INDEX_URL", ""),
        ("PIP_FIND_LINKS", ""),
        ("PIP_RETRIES", "0"),
        ("PIP_NO_CACHE_DIR", "1"),
    ):
        monkeypatch.setenv(variable, value)
    with pytest.raises(DeviceError, match=r"^LiteRT 2\.3\.0 for aarch64 cannot be fetched: ERROR") as raised:
        library_file(LITERT_ARM)
    assert "network" in raised.value.hint
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_fetch_that_takes_too_long_is_ended(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(libraries, "FETCH_TIMEOUT_S", 0.01)
    with pytest.raises(DeviceError, match="could not be fetched in time"):
        library_file(LITERT_ARM)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
