"""Mixed streams: smaller than LZMA for what models say, within limits of size and time."""

from __future__ import annotations

import pytest
from onnx import helper

from edgecompress.errors import PackedFileError
from edgecompress.packing.codings.base import FREE_STEPS, Work
from edgecompress.packing.lzma_streams import compress_bare
from edgecompress.packing.mixed_streams import MAX_MIXED_BYTES, STEPS_PER_BYTE, compress_mixed, decompress_mixed
from edgecompress.testing.tflite_files import T, build

NODE = helper.make_node("Conv", ["x", "weight"], ["y"], strides=[1, 1], pads=[1, 1, 1, 1], kernel_shape=[3, 3])
ONNX = helper.make_model(helper.make_graph([NODE], "graph", [], [])).SerializeToString()
TFLITE = build([T([1, 8], name="input"), T([1, 8], name="output")], [("RELU", [0], [1], None)])


@pytest.mark.parametrize("model", [ONNX, TFLITE], ids=["onnx", "tflite"])
def test_a_model_without_weights_is_smaller_than_by_lzma(model: bytes) -> None:
    stream = compress_mixed(model)
    assert len(stream) < 0.7 * len(compress_bare(model)[1])
    assert decompress_mixed(stream, len(model), Work.of(0)) == model


def test_it_is_paid_for_and_limited() -> None:
    work = Work.of(0)
    decompress_mixed(b"", 9, work)
    assert work.steps == FREE_STEPS - 9 * STEPS_PER_BYTE
    with pytest.raises(PackedFileError, match="too much memory or time"):
        decompress_mixed(b"", 9, Work(9 * STEPS_PER_BYTE - 1))
    with pytest.raises(PackedFileError, match="32769 bytes; 32768 is the limit"):
        decompress_mixed(b"", MAX_MIXED_BYTES + 1, Work.of(0))
