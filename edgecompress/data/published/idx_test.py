import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.data.published.idx import read_idx, read_idx_folder
from edgecompress.errors import DataError


def encode(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_folder(folder, *, suffix="", joint="-", count=20, pack=lambda data: data):
    """The four files of a data set whose image `i` has the pixels `i` and the label `i % 10`."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "t10k"):
        images = np.arange(count, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        (folder / f"{part}-images{joint}idx3-ubyte{suffix}").write_bytes(pack(encode(images)))
        (folder / f"{part}-labels{joint}idx1-ubyte{suffix}").write_bytes(pack(encode(labels)))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_arrays_come_back(tmp_path, pack):
    array = np.random.default_rng(0).integers(0, 256, (3, 5, 4), dtype=np.uint8)
    path = tmp_path / "images"
    path.write_bytes(pack(encode(array)))
    assert np.array_equal(read_idx(path, rank=3), array)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "begins with"),
        (b"\x00\x00\x08\x01", "not an idx file of 3"),
        (b"\x00\x00\x0d\x03" + bytes(12), "00 00 0d 03"),
        (b"\x00\x00\x08\x03" + struct.pack(">3I", 2, 2, 2) + bytes(7), "should hold 8 bytes .* holds 7"),
        (b"\x00\x00\x08\x03" + struct.pack(">3I", 2, 2, 2) + bytes(9), "should hold 8 bytes .* holds more"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12 + bytes(99), "claims to hold 79228162458924105385300197375 bytes"),
    ],
)
def test_what_contradicts_its_header_is_refused(tmp_path, pack, data, said):
    path = tmp_path / "images"
    path.write_bytes(pack(data))
    with pytest.raises(DataError, match=said):
        read_idx(path, rank=3)


def test_a_gzip_bomb_is_read_no_further_than_its_header_says(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(struct.pack(">HBBI", 0, 8, 1, 10) + bytes(1 << 24)))
    with pytest.raises(DataError, match="should hold 10 bytes"):
        read_idx(path, rank=1)


@settings(deadline=None)
@given(st.data())
def test_damaged_files_are_refused_and_never_crash(tmp_path_factory, data):
    array = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)
    packed = bytearray(gzip.compress(encode(array), mtime=0))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("idx") / "images.gz"
    path.write_bytes(packed[: data.draw(st.integers(0, len(packed)))])
    try:
        # What the damage left whole, such as a date in the gzip header, may be read, if it is read rightly.
        assert np.array_equal(read_idx(path, rank=3), array)
    except DataError as error:
        assert str(path) in error.message


@pytest.mark.parametrize(("suffix", "joint", "pack"), [("", "-", bytes), (".gz", "-", gzip.compress), ("", ".", bytes)])
def test_a_folder_of_four_files_is_read(tmp_path, suffix, joint, pack):
    write_folder(tmp_path, suffix=suffix, joint=joint, pack=pack)
    train, test = read_idx_folder(tmp_path)
    assert train.images.shape == test.images.shape == (20, 28, 28, 1)
    assert train.images[7, 3, 3, 0] == 7
    assert test.labels.tolist() == [*range(10), *range(10)]


def test_an_incomplete_folder_is_not_the_data_set(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    assert read_idx_folder(tmp_path) is None


def test_images_without_their_labels_are_refused(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(encode(np.zeros(19, np.uint8)))
    with pytest.raises(DataError, match="20 images and 19 labels"):
        read_idx_folder(tmp_path)
