"""Codebooks come back as they were written, and from no file that was tampered with."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgecompress.errors import ModelFileError
from edgecompress.numerics.generated.vector_codebook import VectorCodebook
from edgecompress.runs.generators import read_generators, write_generators

GENERATORS = {
    "fc1": VectorCodebook(np.arange(12, dtype=np.float32).reshape(1, 2, 3, 2), np.zeros((1, 2, 5), np.uint8)),
    "größe/2": VectorCodebook(np.ones((2, 1, 1, 4), np.float32), np.zeros((2, 1, 3), np.uint16)),
}


def test_the_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "models" / "compressed.generators.npz"
    write_generators(path, GENERATORS)
    found = read_generators(path)
    assert list(found) == list(GENERATORS)
    for name, generator in GENERATORS.items():
        for kind in ("codebooks", "indices"):
            old, new = getattr(generator, kind), getattr(found[name], kind)
            assert old.dtype == new.dtype and old.shape == new.shape and old.tobytes() == new.tobytes()


def test_files_of_earlier_versions_have_codebooks_alone(tmp_path: Path) -> None:
    (tmp_path / "generators.npz").write_bytes(saved(names=np.array(["a"]), **BOOKS))
    found = read_generators(tmp_path / "generators.npz")["a"]
    assert isinstance(found, VectorCodebook)
    np.testing.assert_array_equal(found.codebooks, BOOKS["codebooks_0000"])
    np.testing.assert_array_equal(found.indices, BOOKS["indices_0000"])


def test_every_shortened_or_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "generators.npz"
    with pytest.raises(ModelFileError, match="no file of what kernels are made of"):
        read_generators(path)
    write_generators(path, GENERATORS)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError):
            read_generators(path)


def huge() -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 1, 1, 1)})
    return file.getvalue()


def saved(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def archived(content: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("names.npy", content)
    return file.getvalue()


BOOKS = {"codebooks_0000": np.ones((1, 1, 2, 2), np.float32), "indices_0000": np.zeros((1, 1, 3), np.uint8)}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (archived(huge()), r"\[1099511627776, 1, 1, 1\] in \d+ bytes"),
        (archived(bytes(1000), zipfile.ZIP_DEFLATED), "is compressed"),
        (archived(b"no array"), "no file of what kernels are made of"),
        (saved(names=np.array([{}], object)), "object"),
        (saved(names=np.array(["a", "a"]), **BOOKS), "has one twice"),
        (saved(names=np.array(["a", "b"]), **BOOKS), "holds nothing of 'b'"),
        (saved(names=np.array(["a"]), kinds=np.array(["lookup"]), **BOOKS), "'lookup'"),
        (saved(names=np.array(["a"]), **BOOKS, more_0000=np.zeros(1)), "more of 'a' than it should"),
        (saved(names=np.array(["a"]), **BOOKS, more_0001=np.zeros(1)), "belongs to no layer"),
        (saved(names=np.array(["a"]), **BOOKS | {"indices_0000": np.full((1, 1, 3), 2, np.uint8)}), "do not fit"),
        (saved(names=np.array(["a"]), **BOOKS | {"indices_0000": np.zeros(3, np.float32)}), "do not fit"),
    ],
)
def test_what_is_not_codebooks_is_refused(content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "generators.npz"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=told):
        read_generators(path)
