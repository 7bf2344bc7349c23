from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgecompress.runtimes.engines.onnx import OnnxSession
from edgecompress.testing.sample_files import logarithm


def test_inputs_may_be_strided_and_replaced(tmp_path):
    session = OnnxSession(str(logarithm(tmp_path)))
    for array in (np.arange(1, 9, dtype=np.float32)[None, ::2], np.full((1, 4), 2, np.float32)):
        session.bind([array])
        session.invoke()
        assert session.read()[0] == pytest.approx(np.log(array), rel=1e-6)  # a few units of 2^-24


MOVES = {
    "nothing": [],
    "Transpose": [("Transpose", {"perm": [0, 2, 3, 1]})],
    "MaxPool": [("MaxPool", {"kernel_shape": [1, 1]})],
    "several": [("MaxPool", {"kernel_shape": [1, 1]}), ("Transpose", {"perm": [0, 2, 3, 1]}), ("Flatten", {})],
}


@pytest.mark.parametrize("name", MOVES)
def test_the_scales_of_integer_doors_are_found_behind_what_moves_codes(name: str, tmp_path: Path) -> None:
    nodes, tensor = [], "given"
    for place, (kind, attributes) in enumerate(MOVES[name]):
        nodes.append(helper.make_node(kind, [tensor], [f"moved{place}"], **attributes))
        tensor = f"moved{place}"
    nodes.append(helper.make_node("Identity", [tensor], ["codes"]))
    nodes.append(helper.make_node("DequantizeLinear", [tensor, "scale", "zero"], ["numbers"]))
    constants = [
        numpy_helper.from_array(np.array(value, dtype), key)
        for key, value, dtype in (("scale", 0.25, np.float32), ("zero", 7, np.uint8))
    ]
    doors = [
        helper.make_tensor_value_info(key, kind, shape)
        for key, kind, shape in (("given", 2, [1, 2, 3, 4]), ("codes", 2, None), ("numbers", TensorProto.FLOAT, None))
    ]
    graph = helper.make_graph(nodes, "g", doors[:1], doors[1:], constants)
    path = tmp_path / "moved.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)
    session = OnnxSession(str(path))
    found = [spec.quant for spec in (*session.inputs, *session.outputs)]
    assert [(each.scales, each.zero_points) for each in found[:2]] == [((0.25,), (7,))] * 2
    assert found[2] is None
