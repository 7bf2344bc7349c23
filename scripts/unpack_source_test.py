"""The decoder as one file is all of it, and compiles without a warning."""

import shutil
import subprocess
import sys

import pytest


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_one_file_and_its_header_compile_alone(tmp_path):
    script = __file__.replace("_test.py", ".py")
    subprocess.run([sys.executable, script, tmp_path / "made"], check=True)
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["unpack.c", "unpack.h"]
    assert ".inc" not in (tmp_path / "made/unpack.c").read_text()
    words = ["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-c", "unpack.c", "-o", "unpack.o"]
    subprocess.run(words, check=True, cwd=tmp_path / "made")
