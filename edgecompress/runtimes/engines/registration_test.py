from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

from edgecompress.errors import DeviceError
from edgecompress.runtimes import register
from edgecompress.runtimes.engines.registration import can_register

NAMES = ("amx", "avx512_popcnt", "avx512", "avx2", "neon", "portable")


@pytest.mark.skipif(not can_register(), reason="needs ziglang, and a processor that there are kernels for")
def test_the_name_of_the_kernels_is_returned() -> None:
    options = onnxruntime.SessionOptions()
    assert register(options) in NAMES


def test_a_library_that_is_none_is_refused(tmp_path: Path) -> None:
    library = tmp_path / "kernels.so"
    library.write_bytes(b"no library")
    with pytest.raises(DeviceError, match=r"does not take the kernels in .*kernels\.so"):
        register(onnxruntime.SessionOptions(), kernels=library)


def test_importing_is_light() -> None:
    code = "import sys, edgecompress.runtimes; print(*sorted({each.partition('.')[0] for each in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"onnxruntime", "onnx", "numpy", "tensorflow"} & set(loaded)
