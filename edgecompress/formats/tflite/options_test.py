"""Options of custom operators: a map of integers in a flexbuffer, or a refusal."""

from __future__ import annotations

import random
import struct
from typing import Any

import numpy as np
import pytest
from flatbuffers import flexbuffers

from edgecompress.errors import EdgeCompressError, ModelFileError
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.testing.tflite_files import T, model_table, pack

CONVOLUTION = {
    "channels_in": 70, "dilation_height_factor": 1, "dilation_width_factor": 2, "fused_activation_function": 1,
    "pad_values": 1, "padding": 1, "stride_height": 2, "stride_width": 1,
}  # fmt: skip
POOL = {"filter_height": 2, "filter_width": 3, "padding": 0, "stride_height": 1, "stride_width": 300}


def custom(code: str, content: bytes | None) -> bytes:
    model = model_table([T([1, 4]), T([1, 4])], [("CUSTOM", [0], [1], None)])
    model.operatorCodes[0].customCode = code
    if content is not None:
        model.subgraphs[0].operators[0].customOptions = np.frombuffer(content, np.uint8)
    return pack(model)


def options_of(code: str, content: bytes | None) -> dict[str, Any]:
    return parse_graph(custom(code, content)).operators[0].options


def test_options_have_the_names_of_their_enumerations() -> None:
    read = options_of("LceBconv2d", flexbuffers.Dumps({**CONVOLUTION, "more": 1 << 40}))
    assert read == {**CONVOLUTION, "padding": "VALID", "fused_activation_function": "RELU"}
    assert options_of("LceBMaxPool2d", flexbuffers.Dumps(POOL)) == {**POOL, "padding": "SAME"}


@pytest.mark.parametrize("code", ["LceQuantize", "Mystery"])
def test_others_are_not_read(code: str) -> None:
    assert options_of(code, b"no flexbuffer") == {}


BAD = {
    "none": (None, "take 0 bytes"),
    "large": (flexbuffers.Dumps({"padding": 1}) * 1000, "take .* bytes"),
    "list": (flexbuffers.Dumps([1, 2, 3]), "no map of integers"),
    "integer": (flexbuffers.Dumps(7), "no map of integers"),
    "text": (flexbuffers.Dumps({**POOL, "padding": "SAME"}), "no map of integers .* another type"),
    "map in map": (flexbuffers.Dumps({**POOL, "padding": {"a": 1}}), "no map of integers"),
    "number": (flexbuffers.Dumps({**POOL, "padding": 1.0}), "no map of integers"),
    "many": (flexbuffers.Dumps({f"k{n}": n for n in range(100)}), "100 keys"),
    "incomplete": (flexbuffers.Dumps({"padding": 1, "filter_width": 2}), "lack filter_height, stride_height"),
    "unknown padding": (flexbuffers.Dumps({**POOL, "padding": 9}), "padding has the unknown code 9"),
    "length": (struct.pack("<QQQQ", 1 << 62, 1 << 62, 1 << 62, 1 << 62) + bytes([0x27, 8]), "no map of integers"),
    "zeros": (bytes(64), "no map of integers"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_map_of_integers_is_refused(name: str) -> None:
    content, reason = BAD[name]
    with pytest.raises(ModelFileError, match=reason):
        options_of("LceBMaxPool2d", content)


def test_damaged_options_are_read_or_refused() -> None:
    chance, whole = random.Random(5), flexbuffers.Dumps(CONVOLUTION)
    for _ in range(3000):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        try:
            read = options_of("LceBconv2d", bytes(content[: chance.choice([len(content), chance.randint(1, 99)])]))
        except EdgeCompressError:
            continue
        assert read.keys() == CONVOLUTION.keys()
