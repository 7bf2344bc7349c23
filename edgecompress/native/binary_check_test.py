import platform
import shutil
import subprocess

import pytest

from edgecompress.native.build import SOURCES
from edgecompress.testing.arm import EMULATOR, build_for_arm, needs_arm

FORMS = {"x86_64": ("portable", "avx2", "avx512", "avx512_popcnt", "amx"), "aarch64": ("portable", "neon")}
OTHERS = ("flatbuffer*.c", "flexbuffer*.c", "litert*.c", "onnx*.c")  # what reads the runtimes' files
KERNELS = set((SOURCES / "binary").glob("*.c")).difference(*((SOURCES / "binary").glob(each) for each in OTHERS))
PROGRAM = [SOURCES / "binary_check.c", *sorted(KERNELS)]
FLAGS = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-pthread")
SLOW_CASES = 12  # under sanitizers, ten times as slow; 40 are checked at full speed

pytestmark = pytest.mark.slow
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="the system has no C compiler")


def said(*command):
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()


@needs_compiler
@pytest.mark.parametrize(
    ("flags", "cases"),
    [
        (("-O3",), 40),
        (("-Og", "-fsanitize=address,undefined", "-fno-sanitize-recover"), SLOW_CASES),
    ],
)
def test_every_form_keeps_to_its_buffers_and_to_plain_loops(flags, cases, tmp_path):
    said("cc", *FLAGS, *flags, *PROGRAM, "-o", tmp_path / "check")
    forms = FORMS.get(platform.machine(), ("portable",))
    ran = said(tmp_path / "check", 1, cases, *forms)  # the best form stands in for one that the processor has not
    assert len(ran) == len(forms) and "portable" in ran and set(ran) <= set(forms)


@needs_compiler
def test_threads_do_not_race(tmp_path):
    said("cc", *FLAGS, "-Og", "-fsanitize=thread", *PROGRAM, "-o", tmp_path / "check")
    assert said(tmp_path / "check", 4, SLOW_CASES, "portable") == ["portable"]


@needs_arm
def test_neon_computes_the_same(tmp_path):
    build_for_arm(PROGRAM, tmp_path / "check", *FLAGS, "-O3")
    checked = said(*EMULATOR, "-cpu", "cortex-a76", tmp_path / "check", 3, 40, "neon", "portable")
    assert checked == ["neon", "portable"]
