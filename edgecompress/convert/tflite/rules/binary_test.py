"""Files of bits fit the rules, and what is made wrong of them is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flatbuffers import flexbuffers

from edgecompress.convert.tflite.check import check_tflite
from edgecompress.convert.tflite.check_test import on_tensor, shaped, typed
from edgecompress.convert.tflite.flatbuffer import unpack
from edgecompress.errors import ConversionError
from edgecompress.testing.binary_files import BinaryModel, network, signs
from edgecompress.testing.tflite_files import pack


@pytest.mark.parametrize("zeros", [False, True])
def test_every_binary_operator(tmp_path: Path, zeros: bool) -> None:
    path, _ = network(tmp_path, zeros=zeros)
    assert check_tflite(path.read_bytes()) == ()


def bits_network(**how: Any) -> Any:
    """LceQuantize, LceBconv2d, LceBMaxPool2d and LceDequantize, as schema objects."""
    model = BinaryModel()
    bits = model.quantize(model.input(6, 6, 40))
    kernel = signs(np.random.default_rng(0), 8, 3, 3, 40)
    thresholds = np.zeros(8, np.int32)
    made = model.convolution(bits, kernel, thresholds=thresholds, **{"padding": 1, **how})
    model.dequantize(model.max_pool(made, (2, 2), (2, 2), 1), 8)
    return unpack(model.pack())


BINARY_FAULTS: dict[str, tuple[Callable[[Any], None], str]] = {
    "bits of other channels": (on_tensor(1, shaped(1, 6, 6, 1)), r"LceQuantize .*: its output has the shape"),
    "numbers for bits": (on_tensor(1, typed("FLOAT32")), r"LceQuantize .*: its output is float32"),
    "numbers with thresholds": (
        on_tensor(4, typed("FLOAT32")),
        r"LceBconv2d .*: its multiplier is missing for float32",
    ),
    "thresholds of another type": (on_tensor(3, typed("FLOAT32")), r"LceBconv2d .*: its threshold is float32; int32"),
}


@pytest.mark.parametrize("name", BINARY_FAULTS)
def test_a_fault_of_bits_is_named(name: str) -> None:
    change, reason = BINARY_FAULTS[name]
    model = bits_network()
    assert check_tflite(pack(model)) == ()
    change(model)
    with pytest.raises(ConversionError, match=reason):
        check_tflite(pack(model))


def test_bits_beside_zeros_are_refused() -> None:
    model = bits_network()
    operator = next(each for each in model.subgraphs[0].operators if len(each.inputs) == 5)
    stored = flexbuffers.Loads(bytes(bytearray(operator.customOptions)))
    operator.customOptions = np.frombuffer(flexbuffers.Dumps({**stored, "padding": 0, "pad_values": 0}), np.uint8)
    with pytest.raises(ConversionError, match=r"LceBconv2d .*: it gives bits and pads with 0"):
        check_tflite(pack(model))
