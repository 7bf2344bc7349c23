import os
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.data.published.batch_pickle import read_batch
from edgecompress.errors import DataError


def string(text):
    return b"U" + bytes([len(text)]) + text if len(text) < 256 else b"T" + struct.pack("<I", len(text)) + text


def python2_batch(pixels, labels, *, shape=None, descr=b"u1", module=b"numpy.core.multiarray"):
    """A batch as Python 2 pickled CIFAR's: protocol 2, byte strings, NumPy's `_reconstruct`."""
    count, width = shape or pixels.shape
    array = (
        b"c" + module + b"\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85q\x09U\x01bq\x0a\x87q\x0bRq\x0c("
        b"K\x01M" + struct.pack("<H", count) + b"M" + struct.pack("<H", width) + b"\x86q\x0dcnumpy\ndtype\nq\x0e"
        + string(descr) + b"q\x0fK\x00K\x01\x87q\x10Rq\x11(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00"
        b"tq\x12b\x89" + string(pixels.tobytes()) + b"q\x13tq\x14b"
    )  # fmt: skip
    numbers = b"]q\x06(" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    names = b"]q\x15(" + b"".join(string(b"leptodactylus_s_%06d.png" % index) for index in range(len(labels))) + b"e"
    return (
        b"\x80\x02}q\x01(" + string(b"batch_label") + b"q\x02" + string(b"training batch 1 of 5") + b"q\x03"
        + string(b"labels") + b"q\x05" + numbers + string(b"data") + array + string(b"filenames") + names + b"u."
    )  # fmt: skip


PIXELS = np.random.default_rng(0).integers(0, 256, (3, 3072), dtype=np.uint8)
LABELS = [6, 9, 0]
GOOD = python2_batch(PIXELS, LABELS)


def test_the_form_that_the_tests_write_is_a_pickle_of_an_array():
    batch = pickle.loads(GOOD, encoding="bytes")
    assert np.array_equal(batch[b"data"], PIXELS)
    assert batch[b"labels"] == LABELS


@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_a_batch_is_read(module):
    pixels, labels = read_batch(python2_batch(PIXELS, LABELS, module=module), "batch")
    assert np.array_equal(pixels, PIXELS)
    assert labels == LABELS


def test_a_batch_of_the_real_length_is_let_in():
    count = 10_000
    data = python2_batch(np.zeros((count, 3072), np.uint8), [7] * count)
    pixels, labels = read_batch(data, "batch")
    assert pixels.shape == (count, 3072)
    assert len(labels) == count


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_command_is_not_run(tmp_path, protocol):
    class Payload:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    data = pickle.dumps({b"data": Payload(), b"labels": [0]}, protocol=protocol)
    with pytest.raises(DataError, match="is not a CIFAR batch: it "):
        read_batch(data, "batch")
    assert not (tmp_path / "ran").exists()
    pickle.loads(data)
    assert (tmp_path / "ran").exists()  # by that last line: the payload does work


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x80\x02cos\nsystem\nU\x04true\x85R.", "it names os.system"),
        (b"\x80\x02cbuiltins\neval\nU\x011\x85R.", "it names builtins.eval"),
        (b"\x80\x02}(" + b")" + b"\x85" * 100_000 + b"K\x00u.", "nests or remembers"),  # hashing it would crash
        (b"\x80\x02Nr\xff\xff\xff\x7f.", "nests or remembers"),  # asks for 32 GiB of memo
        (b"\x80\x02]q\x00h\x00a" + b"h\x00a" * 9 + b".", "not a CIFAR batch"),
        (GOOD[:-1], "not a CIFAR batch"),
        (b"", "not a CIFAR batch"),
        (b"\x80\x02}.", "not a CIFAR batch"),
        (python2_batch(PIXELS, LABELS, descr=b"O"), "not uint8"),
        (python2_batch(PIXELS, LABELS, shape=(3000, 3072)), r"shape \(3000, 3072\)"),
        (python2_batch(PIXELS, LABELS, shape=(9, 1024)), r"shape \(9, 1024\)"),
    ],
)
def test_other_pickles_are_refused(data, said):
    with pytest.raises(DataError, match=said):
        read_batch(data, "batch")


@settings(deadline=None)
@given(st.data())
def test_damaged_batches_are_refused_and_never_crash(data):
    damaged = bytearray(python2_batch(PIXELS[:1], [4]))
    start_of_pixels = damaged.index(PIXELS[:1].tobytes())
    places = [*range(start_of_pixels), *range(start_of_pixels + 3072, len(damaged))]
    for place in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
        damaged[place] = data.draw(st.integers(0, 255))
    try:
        pixels, labels = read_batch(bytes(damaged), "batch")
    except DataError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.shape[1:] == (3072,)
    assert all(type(label) is int for label in labels)
