import gzip
import importlib.util
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from edgecompress.data import load
from edgecompress.data.published import cifar10
from edgecompress.data.published.batch_pickle_test import python2_batch
from edgecompress.errors import DataError

NAMES = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]


def make_batches(*, binary):
    """Six batches of ten images, one a class; the red plane of each image holds its label, the green its batch."""
    batches = {}
    for number, name in enumerate(NAMES):
        planes = np.zeros((10, 3, 1024), np.uint8)
        planes[:, 0] = np.arange(10)[:, None]
        planes[:, 1] = number
        planes[:, 2] = np.arange(1024) // 32  # the row
        pixels = planes.reshape(10, 3072)
        if binary:
            labels = np.arange(10, dtype=np.uint8)[:, None]
            batches[f"{name}.bin"] = np.concatenate([labels, pixels], axis=1).tobytes()
        else:
            batches[name] = python2_batch(pixels, range(10))
    return batches


def write_folder(folder, batches):
    folder.mkdir(parents=True)
    for name, data in batches.items():
        (folder / name).write_bytes(data)


def write_archive(path, members, *, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def require_right(dataset):
    assert dataset.train.images.shape == (50, 32, 32, 3)
    assert dataset.train.labels.tolist() == [*range(10)] * 5
    assert dataset.train.images[37, 5, 9].tolist() == [7, 3, 5]  # label, batch, row
    assert dataset.test.images[4, 31, 0].tolist() == [4, 5, 31]
    assert dataset.labels[dataset.test.labels[4]] == "deer"


@pytest.mark.parametrize(
    ("folder", "binary"),
    [
        ("cifar-10-batches-py", False),
        ("cifar-10-batches-py-target/cifar-10-batches-py", False),
        ("cifar-10-batches-bin", True),
        (".", False),
        (".", True),
    ],
)
def test_folders_of_batches_are_read(tmp_path, folder, binary):
    write_folder(tmp_path / "data" / folder, make_batches(binary=binary))
    dataset = load("cifar10", data_dir=tmp_path / "data")
    require_right(dataset)
    assert dataset.source == str(tmp_path / "data" / folder)


@pytest.mark.parametrize(
    ("name", "inside", "binary"),
    [
        ("cifar-10-python.tar.gz", "cifar-10-batches-py", False),
        ("cifar-10-batches-py.tar.gz", "cifar-10-batches-py", False),
        ("cifar-10-batches-py-target_archive", "cifar-10-batches-py", False),
        ("cifar-10-binary.tar.gz", "cifar-10-batches-bin", True),
    ],
)
def test_archives_are_read(tmp_path, name, inside, binary):
    members = {f"{inside}/{batch}": data for batch, data in make_batches(binary=binary).items()}
    write_archive(tmp_path / name, {f"{inside}/readme.html": b"<p>", **members})
    require_right(load("cifar10", data_dir=tmp_path))


def test_nothing_is_written_whatever_an_archive_names(tmp_path):
    members = {f"../../{name}": data for name, data in make_batches(binary=False).items()}
    archive = tmp_path / "in" / "here" / "cifar-10-python.tar.gz"
    archive.parent.mkdir(parents=True)
    write_archive(archive, {**members, "/etc/evil": b"x"})
    require_right(load("cifar10", data_dir=archive.parent))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


def link(name, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def test_a_link_for_a_batch_is_not_followed(tmp_path):
    path = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in NAMES:
            archive.addfile(link(f"cifar-10-batches-py/{name}", "/etc/passwd"))
    with pytest.raises(DataError, match="does not hold data_batch_1"):
        load("cifar10", data_dir=tmp_path)


def test_archives_larger_than_the_real_one_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "_MAX_ARCHIVE_BYTES", 1 << 20)
    write_archive(tmp_path / "cifar-10-python.tar.gz", {"zeros": bytes(1 << 21)})
    with pytest.raises(DataError, match="larger than CIFAR-10 is"):
        load("cifar10", data_dir=tmp_path)


def test_members_larger_than_a_real_batch_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "_MAX_BATCH_BYTES", 1 << 10)
    members = make_batches(binary=True)
    write_archive(tmp_path / "cifar-10-binary.tar.gz", members)
    with pytest.raises(DataError, match=r"data_batch_1\.bin is larger"):
        load("cifar10", data_dir=tmp_path)
    write_folder(tmp_path / "folder", members)
    with pytest.raises(DataError, match=r"data_batch_1\.bin is larger"):
        load("cifar10", data_dir=tmp_path / "folder")


def test_an_archive_that_leads_back_into_itself_comes_to_an_end(tmp_path):
    # After an empty file a member of -512 bytes: the next header is this one again, for ever.
    back = bytearray(tarfile.TarInfo("back").tobuf(tarfile.USTAR_FORMAT))
    back[124:136] = (-512).to_bytes(12, "big", signed=True)
    back[148:156] = b" " * 8
    back[148:156] = b"%06o\0 " % sum(back)
    empty = tarfile.TarInfo("empty").tobuf(tarfile.USTAR_FORMAT)
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(gzip.compress(empty + back + bytes(1024)))
    with pytest.raises(DataError, match="does not hold data_batch_1"):
        load("cifar10", data_dir=tmp_path)


@pytest.mark.parametrize("keep_share", [0.0, 0.5, 0.999])
def test_archives_that_are_cut_short_are_refused(tmp_path, keep_share):
    path = tmp_path / "cifar-10-python.tar.gz"
    write_archive(path, make_batches(binary=False))
    data = path.read_bytes()
    path.write_bytes(data[: int(keep_share * len(data))])
    with pytest.raises(DataError, match=str(path)):
        load("cifar10", data_dir=tmp_path)


@pytest.mark.parametrize("data", [b"not gzip", b"\x1f\x8b not gzip either"])
def test_what_is_no_archive_is_refused(tmp_path, data):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(data)
    with pytest.raises(DataError, match="cut short or damaged"):
        load("cifar10", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("data_batch_2.bin", bytes(3072), "not a multiple of 3073"),
        ("data_batch_2.bin", b"\x0a" + bytes(3072), r"lie in 0\.\.10"),
        ("data_batch_2", python2_batch(np.zeros((2, 3072), np.uint8), [1]), "2 images and 1 labels"),
    ],
)
def test_batches_that_contradict_themselves_are_refused(tmp_path, name, data, said):
    write_folder(tmp_path / "data", {**make_batches(binary=name.endswith(".bin")), name: data})
    with pytest.raises(DataError, match=said):
        load("cifar10", data_dir=tmp_path / "data")


def test_the_download_is_the_one_that_tf_keras_names():
    text = (Path(importlib.util.find_spec("tf_keras").origin).parent / "src/datasets/cifar10.py").read_text()
    (item,) = cifar10.PUBLISHED.downloads
    assert item.sha256 in text
    assert f'"{item.url}"' in text
