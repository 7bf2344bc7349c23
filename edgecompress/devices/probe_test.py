import os
import platform
import shutil
from dataclasses import astuple, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.devices.probe import DeviceInfo, describe, probe
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.devices.wire.client import Finished
from edgecompress.testing.devices import FolderTransport

NOTHING = DeviceInfo("", "", "", "", "", None, False, None, "", (), False)


class Says(LocalTransport):
    """A device that answers with this, whatever it is asked."""

    def __init__(self, text):
        super().__init__()
        self.text = text

    def run(self, words, *, timeout_s):
        return Finished(0, self.text, "")


def test_this_machine():
    info = probe(LocalTransport())
    assert (info.machine, info.kernel, info.android) == (platform.machine(), platform.release(), False)
    name, version = platform.libc_ver()
    assert info.glibc == (tuple(map(int, version.split(".")[:2])) if name == "glibc" else None)
    assert info.root == (os.getuid() == 0)
    assert info.memory_bytes <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 1.01  # in KiB, whole ones
    assert info.memory_bytes >= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 0.99
    assert set(info.tools) == {tool for tool in ("timeout", "taskset", "sha256sum") if shutil.which(tool)}
    assert info.label


def test_a_raspberry_pi():
    info = probe(
        Says(
            "machine=aarch64\nkernel=6.6.20+rpt-rpi-v8\nlibc=glibc 2.36\nboard=Raspberry Pi 4 Model B Rev 1.1\n"
            "system=Debian GNU/Linux 12 (bookworm)\nmemory=3884400\npython=3.11.2\nuser=1000\nhas_timeout=1\n"
        )
    )
    assert info == DeviceInfo(
        model="Raspberry Pi 4 Model B Rev 1.1",
        soc="",
        system="Debian GNU/Linux 12 (bookworm)",
        kernel="6.6.20+rpt-rpi-v8",
        machine="aarch64",
        glibc=(2, 36),
        android=False,
        memory_bytes=3884400 * 1024,
        python="3.11.2",
        tools=("timeout",),
        root=False,
        bits=64,
        libc="glibc",
    )
    assert info.label == "Raspberry Pi 4 Model B Rev 1.1"


def test_a_phone():
    info = probe(
        Says(
            "machine=aarch64\nro.product.model=Pixel 8\nro.soc.model=Tensor G3\nro.board.platform=zuma\n"
            "ro.build.version.release=14\nro.build.version.sdk=34\nuser=0\nboard=zuma board\nlibc=\n"
        )
    )
    assert (info.model, info.soc, info.system) == ("Pixel 8", "Tensor G3", "Android 14 (API 34)")
    assert info.android and info.root and (info.libc, info.glibc) == ("bionic", None)


@pytest.mark.parametrize(
    ("info", "label"),
    [
        (replace(NOTHING, model="m", soc="s", machine="x"), "m"),
        (replace(NOTHING, soc="s", machine="x"), "s"),
        (replace(NOTHING, machine="x"), "x"),
    ],
)
def test_a_label_is_the_best_name_there_is(info, label):
    assert info.label == label


@pytest.mark.parametrize("text", ["", "\n\n", "no answers here", "=", "machine=", "machine"])
def test_a_device_that_tells_nothing(text):
    assert probe(Says(text)) == replace(NOTHING, bits=64)


@pytest.mark.parametrize("libc", ["musl 1.2", "glibc", "glibc x.y", "2.36", "glibc 2"])
def test_another_c_library(libc):
    assert describe({"libc": libc}).glibc is None


@pytest.mark.parametrize(
    ("said", "libc", "glibc"),
    [
        ("glibc 2.36", "glibc", (2, 36)),
        ("ldd (Debian GLIBC 2.36-9+deb12u10) 2.36", "glibc", (2, 36)),
        ("ldd (GNU libc) 2.17", "glibc", (2, 17)),
        ("GNU C Library (Ubuntu GLIBC 2.35-0ubuntu3.1) stable release version 2.35.", "glibc", (2, 35)),
        ("GNU C Library stable release version 2.19, by Roland McGrath et al.", "glibc", (2, 19)),
        ("musl libc (aarch64)", "musl", None),
        ("", "", None),
    ],
)
def test_every_way_to_tell_a_c_library(said, libc, glibc):
    info = describe({"libc": said})
    assert (info.libc, info.glibc) == (libc, glibc)


def without(tmp_path, *missing):
    """A device that lacks some tools."""
    (tmp_path / "bin").mkdir()
    for tool in {"sh", "uname", "cat", "tr", "head", "grep", "id", "getconf", "ldd", "timeout"} - set(missing):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    return FolderTransport(tmp_path / "home", path=str(tmp_path / "bin"))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this machine has another C library")
def test_the_loader_tells_what_getconf_would(tmp_path):
    with without(tmp_path, "getconf", "ldd") as device:
        assert probe(device).glibc == tuple(map(int, platform.libc_ver()[1].split(".")[:2]))


@pytest.mark.skipif(not Path("/proc/sys/kernel/arch").exists(), reason="the kernel is older than 6.1")
def test_a_processor_is_known_without_uname(tmp_path):
    with without(tmp_path, "uname") as device:
        assert probe(device).machine == platform.machine()


def test_the_bits_are_those_of_the_shell(tmp_path):
    with FolderTransport(tmp_path / "home") as device:
        assert probe(device).bits == int(platform.architecture("/bin/sh")[0][:2])


def test_what_could_move_the_cursor_is_dropped():
    info = probe(Says("board=\x1b[2Jred\x07 board\x9b\u202e\nsystem=" + "s" * 10_000 + "\n"))
    assert info.model == "[2Jred board" and info.system == "s" * 120


KEYS = st.sampled_from(["machine", "libc", "memory", "user", "board", "system", "ro.build.version.release", "other"])
LINES = st.tuples(KEYS, st.text(max_size=200) | st.integers().map(str) | st.just("glibc 2.31")).map("=".join)


@given(st.lists(LINES | st.text(max_size=50)))
def test_whatever_a_device_says_is_a_description(lines):
    info = probe(Says("\n".join(lines)))
    for value in astuple(info):
        assert not isinstance(value, str) or (len(value) < 200 and value.isprintable())
    assert info.memory_bytes is None or info.memory_bytes >= 0
