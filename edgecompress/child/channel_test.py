import contextlib
import json
import os
import struct
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgecompress.child.channel import DTYPES, MAX_ARRAY_BYTES, MAX_HEADER_BYTES, Channel, ChannelClosed, FrameError


@pytest.fixture
def ends():
    """A channel to itself through one pipe, and the pipe's write end."""
    read_fd, write_fd = os.pipe()
    with os.fdopen(read_fd, "rb", 0), os.fdopen(write_fd, "wb", 0, closefd=False):
        yield Channel(read_fd, write_fd), write_fd
        with contextlib.suppress(OSError):  # the test may have closed it
            os.close(write_fd)


arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
)


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()), st.lists(arrays, max_size=4))
def test_what_is_sent_arrives(message, sent):
    read_fd, write_fd = os.pipe()
    try:
        channel = Channel(read_fd, write_fd)
        channel.send(message, sent)
        received, arrived = channel.receive()
    finally:
        os.close(read_fd)
        os.close(write_fd)
    assert received == message
    for before, after in zip(sent, arrived, strict=True):
        assert (after.dtype, after.shape, after.tobytes()) == (before.dtype, before.shape, before.tobytes())


def test_more_than_a_pipe_holds(ends):
    channel, _ = ends
    sent = np.arange(1_000_000)  # 8 MB through 64 KB
    writer = threading.Thread(target=channel.send, args=({}, [sent]))
    writer.start()
    assert np.array_equal(channel.receive()[1][0], sent)
    writer.join()


def test_strided_and_big_endian_arrays_arrive_by_value(ends):
    channel, _ = ends
    sent = [np.arange(12).reshape(3, 4).T[::2], np.arange(3, dtype=">i4")]
    channel.send({}, sent)
    for before, after in zip(sent, channel.receive()[1], strict=True):
        assert np.array_equal(before, after)


@pytest.mark.parametrize("array", [np.array([object()]), np.array(["text"]), np.array([1j])])
def test_what_is_not_a_number_is_not_sent(ends, array):
    channel, _ = ends
    with pytest.raises(FrameError, match="cannot be passed on"):
        channel.send({}, [array])
    channel.send({"after": 1})
    assert channel.receive()[0] == {"after": 1}, "a refused frame must leave nothing in the pipe"


def described(*arrays):
    return json.dumps({"message": {}, "arrays": list(arrays)}).encode()


@pytest.mark.parametrize(
    "header",
    [
        b"not json",
        b"[]",
        b"{}",
        b'{"message": 1, "arrays": []}',
        b'{"message": {}, "arrays": 1}',
        b"[" * 100_000,
        described(1),
        described({"dtype": "object", "shape": [1]}),
        described({"dtype": ["int8"], "shape": [1]}),
        described({"dtype": "int8", "shape": [-1]}),
        described({"dtype": "int8", "shape": [True]}),
        described({"dtype": "int8", "shape": [1.0]}),
        described({"dtype": "int8", "shape": [1] * 65}),
        described({"dtype": "int8", "shape": [MAX_ARRAY_BYTES + 1]}),
        described({"dtype": "int8", "shape": [2**40, 2**40]}),
        described(*[{"dtype": "int64", "shape": [MAX_ARRAY_BYTES // 16 + 1]}] * 2),
        described(*[{"dtype": "int8", "shape": [0]}] * 1000),
    ],
)
def test_a_hostile_header_is_refused_before_anything_is_allocated(ends, header):
    channel, write_fd = ends
    os.write(write_fd, struct.pack("<I", len(header)))
    writer = threading.Thread(target=channel._write, args=(header, None))
    writer.start()
    with pytest.raises(FrameError):
        channel.receive(timeout_s=5)
    writer.join()


def test_a_header_too_long_is_refused(ends):
    channel, write_fd = ends
    os.write(write_fd, struct.pack("<I", MAX_HEADER_BYTES + 1))
    with pytest.raises(FrameError, match="above the limit"):
        channel.receive(timeout_s=5)
    with pytest.raises(FrameError, match="above the limit"):
        channel.send({"text": "x" * MAX_HEADER_BYTES})


def test_silence_times_out(ends):
    channel, write_fd = ends
    with pytest.raises(TimeoutError):
        channel.receive(timeout_s=0.01)
    os.write(write_fd, b"\1")  # nor does a part of a frame help
    with pytest.raises(TimeoutError):
        channel.receive(timeout_s=0.01)


def test_a_reader_that_does_not_read_times_out(ends):
    channel, _ = ends
    with pytest.raises(TimeoutError):
        channel.send({}, [np.zeros(1_000_000)], timeout_s=0.05)


@pytest.mark.parametrize("sent", [b"", b"\1\0", struct.pack("<I", 10) + b"{"])
def test_an_end_in_the_middle_is_noticed(ends, sent):
    channel, write_fd = ends
    os.write(write_fd, sent)
    os.close(write_fd)
    with pytest.raises(ChannelClosed):
        channel.receive(timeout_s=5)


def test_nobody_listening_is_noticed():
    read_fd, write_fd = os.pipe()
    channel = Channel(read_fd, write_fd)
    os.close(read_fd)
    with pytest.raises(ChannelClosed):
        channel.send({}, timeout_s=5)
    os.close(write_fd)
