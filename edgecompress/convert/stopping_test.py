"""The operator with which a file stops is named, wherever in the graph it stands."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.convert.stopping import first_stop
from edgecompress.convert.tflite.flatbuffer import unpack
from edgecompress.testing.tflite_files import T, model_table, pack, recurrent

IMAGES = np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 6)


def chain(scales: list[float]) -> bytes:
    """QUANTIZE to codes of each scale and a comparison of them with themselves; LiteRT aborts where the scale is 1."""
    tensors, operators = [T([1, 6], name="image")], []
    for place, scale in enumerate(scales):
        codes, made = len(tensors), len(tensors) + 1
        tensors += [
            T([1, 6], "INT8", name=f"model/codes_{place}/Quantize", scale=scale),
            T([1, 6], "BOOL", name=f"model/compared_{place}/Equal"),
        ]
        operators += [("QUANTIZE", [0], [codes], None), ("EQUAL", [codes, codes], [made], None)]
    made = [index for index, tensor in enumerate(tensors) if tensor.dtype == "BOOL"]
    return pack(model_table(tensors, operators, inputs=[0], outputs=made))


@pytest.mark.parametrize("place", [0, 2, 4])
def test_the_operator_that_stops_is_named(place: int) -> None:
    scales = [0.5] * 5
    scales[place] = 1.0
    assert first_stop(chain(scales), [IMAGES]) == f"'compared_{place}' (EQUAL)"


def test_of_a_file_with_loops_nothing_is_told(tmp_path) -> None:
    path = recurrent(tmp_path)
    assert first_stop(path.read_bytes(), [np.zeros((1, 6, 3), np.float32)]) == ""
    model = unpack(chain([1.0]))
    model.subgraphs = model.subgraphs * 2
    assert first_stop(pack(model), [IMAGES]) == ""


def test_a_file_that_runs_stops_nowhere() -> None:
    assert first_stop(chain([0.5, 0.25]), [IMAGES]) == ""
