import platform
import shutil
import subprocess
import sys

import pytest

from edgecompress.errors import DeviceError
from edgecompress.native import build
from edgecompress.native.build import (
    GLIBC,
    MACHINES,
    SOURCES,
    build_binary_kernels,
    build_instruction_counter,
    build_runner,
    build_unpacker,
    can_build,
)
from edgecompress.native.cache import cache_folder

ELF_MACHINES = {"x86_64": 62, "aarch64": 183}  # e_machine, the two bytes at 18


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """Without programs; the compiler's own cache of C libraries stays, which takes seconds to fill."""
    zig = cache_folder() / "zig"
    zig.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cache_folder().mkdir(parents=True)
    (cache_folder() / "zig").symlink_to(zig)
    return cache_folder()


@pytest.fixture
def copied_sources(tmp_path, monkeypatch):
    copied = shutil.copytree(SOURCES, tmp_path / "native", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    monkeypatch.setattr(build, "SOURCES", copied)
    return copied


def built(folder):
    return sorted(path for path in folder.rglob("*") if "zig" not in path.relative_to(folder).parts and path.is_file())


@pytest.mark.parametrize("make", [build_runner, build_instruction_counter, build_binary_kernels, build_unpacker])
@pytest.mark.parametrize("machine", MACHINES)
def test_the_sources_compile_without_a_warning(machine, make, empty_cache):
    """With -Wall -Wextra -Werror a warning would be an error."""
    path = make(machine)
    header = path.read_bytes()[:20]
    assert header[:4] == b"\x7fELF" and int.from_bytes(header[18:], "little") == ELF_MACHINES[machine]
    assert path.stat().st_mode & 0o777 == 0o755
    assert built(empty_cache) == [path]


def test_warnings_are_errors(empty_cache, copied_sources):
    with (copied_sources / "runner" / "session.c").open("a") as source:
        source.write("static int never_used;\n")
    with pytest.raises(DeviceError, match="never_used"):
        build_runner("x86_64")


def test_the_second_build_is_the_first_ones_file(empty_cache, monkeypatch):
    first = build_runner("x86_64")
    before = first.stat()
    monkeypatch.setattr(sys, "executable", "/bin/false")  # the compiler cannot be started any more
    again = build_runner("x86_64")
    assert (again, again.stat().st_ino, again.stat().st_mtime_ns) == (first, before.st_ino, before.st_mtime_ns)
    with pytest.raises(DeviceError, match="cannot be built"):
        build_runner("aarch64")


def test_what_goes_in_names_the_folder(empty_cache, copied_sources):
    paths = [build_runner("x86_64"), build_instruction_counter("x86_64"), build_runner("aarch64")]
    header = copied_sources / "runner" / "session.h"
    header.write_text(header.read_text() + "/* another */\n")
    paths.append(build_runner("x86_64"))
    assert len({path.parent for path in paths}) == 4
    header.write_text(header.read_text().removesuffix("/* another */\n"))
    assert build_runner("x86_64") == paths[0]


def test_a_failing_compiler_leaves_nothing(empty_cache, copied_sources):
    (copied_sources / "runner" / "main.c").write_text("int main(void) { return no_such_name; }\n")
    with pytest.raises(DeviceError, match="no_such_name") as raised:
        build_runner("x86_64")
    assert len(raised.value.message) < 1100
    assert not built(empty_cache)


def test_a_slow_compiler_is_ended_and_leaves_nothing(empty_cache, monkeypatch):
    monkeypatch.setattr(build, "TIMEOUT_S", 0.001)
    with pytest.raises(DeviceError, match=r"did not finish within 0\.001 s"):
        build_runner("x86_64")
    assert not built(empty_cache)


@pytest.mark.parametrize("machine", ["riscv64", "armv7l", "", "../../etc", "x" * 1000])
def test_an_unknown_machine_is_refused(machine, empty_cache):
    with pytest.raises(DeviceError, match="There is no native code for") as raised:
        build_runner(machine)
    assert "x86_64 and aarch64" in raised.value.hint and len(raised.value.message) < 100
    assert not built(empty_cache)


def test_without_a_compiler_the_error_says_what_to_install(empty_cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "ziglang", None)  # how Python itself marks what cannot be imported
    monkeypatch.setenv("PATH", str(empty_cache))
    assert not can_build()
    with pytest.raises(DeviceError, match="ziglang package, which is missing") as raised:
        build_runner(platform.machine())
    assert "-m pip install ziglang" in raised.value.hint and "--runner" not in raised.value.hint


@pytest.mark.skipif(shutil.which("cc") is None, reason="the system has no C compiler")
def test_the_systems_compiler_serves_this_machine_alone(empty_cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "ziglang", None)
    assert build_binary_kernels(platform.machine()).stat().st_size > 10_000
    other = next(machine for machine in MACHINES if machine != platform.machine())
    with pytest.raises(DeviceError, match=f"Native code for {other}"):
        build_binary_kernels(other)


@pytest.mark.skipif(shutil.which("readelf") is None, reason="readelf reads what a program asks for; it is missing")
@pytest.mark.parametrize("machine", MACHINES)
def test_a_runner_asks_for_no_newer_c_library_than_it_says(machine):
    said = subprocess.run(["readelf", "-V", build_runner(machine)], capture_output=True, text=True, check=True).stdout
    asked = {tuple(map(int, word.removeprefix("GLIBC_").split("."))) for word in said.split() if _is_version(word)}
    assert asked and max(asked) <= GLIBC


def _is_version(word):
    return word.removeprefix("GLIBC_").replace(".", "").isdecimal() and word.startswith("GLIBC_")


@pytest.mark.skipif(platform.machine() not in MACHINES, reason=f"no runner is built for {platform.machine()}")
@pytest.mark.parametrize(
    ("words", "reason"),
    [((), "are needed"), (("--model", "x"), "are needed"), (("--nonsense", "1"), "no such option")],
)
def test_the_runner_says_how_it_is_used(words, reason):
    done = subprocess.run([build_runner(platform.machine()), *words], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2 and reason in done.stderr and not done.stdout
