"""Float ONNX models as exporters write binary networks, and their comparison with what they become."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgecompress.convert.onnx.rewrite import rewrite_onnx
from edgecompress.convert.tflite.binary.emit import BinaryFile
from edgecompress.runtimes.engines.registration import can_register
from edgecompress.testing.onnx_sessions import start, with_kernels

CHANNELS, SIDE = 12, 9


class Net:
    """A graph that grows node by node; `x` is its input."""

    def __init__(self, *shape: int, seed: int = 0) -> None:
        self.shape = shape or (1, CHANNELS, SIDE, SIDE)
        self.generator = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        output = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], name=name, **attributes))
        return output

    def signs(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        """Filters along axis 0 with one magnitude each; a power of two, so that sums are exact in any order."""
        scales = scale * 2.0 ** self.generator.integers(-2, 2, (shape[0], *[1] * (len(shape) - 1)))
        return (self.generator.choice([-1.0, 1.0], shape) * scales).astype(np.float32)

    def sign(self, x: str) -> str:
        zero, one, minus = (self.constant(value) for value in (0, 1, -1))
        return self.node("Where", self.node("GreaterOrEqual", x, zero), one, minus)

    def conv(self, x: str, filters: int, channels: int, *, size: int = 3, name: str = "", **attributes: Any) -> str:
        kernel = self.constant(self.signs(filters, channels, size, size))
        return self.node("Conv", x, kernel, name=name, **attributes)

    def norm(self, x: str, channels: int, *, rising: bool = False) -> str:
        gamma = self.generator.uniform(0.5, 2, channels) * (1 if rising else self.generator.choice([-1, 1], channels))
        mean, beta = self.generator.normal(size=(2, channels)) * 3
        variance = self.generator.uniform(20, 90, channels)
        return self.node("BatchNormalization", x, *(self.constant(each) for each in (gamma, beta, mean, variance)))

    def model(self, *outputs: str, opset: int = 18, free_batch: bool = False) -> onnx.ModelProto:
        shape = (["N"] if free_batch else [self.shape[0]]) + list(self.shape[1:])
        graph = helper.make_graph(
            self._nodes,
            "graph",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(each, TensorProto.FLOAT, None) for each in outputs],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
        return onnx.shape_inference.infer_shapes(model)  # the shapes of the outputs

    def image(self) -> np.ndarray:
        """Numbers of both signs, and every form of zero."""
        x = np.random.default_rng(9).integers(-3, 4, self.shape).astype(np.float32)
        x.reshape(-1)[::7] = -0.0
        return x


def rewritten(model: onnx.ModelProto) -> tuple[BinaryFile, onnx.ModelProto]:
    file = rewrite_onnx(model.SerializeToString(), metadata={"key": "value"})
    result = onnx.load_from_string(file.content)
    onnx.checker.check_model(result, full_check=True)
    assert {each.key: each.value for each in result.metadata_props}["key"] == "value"
    return file, result


def agrees(net: Net, *outputs: str, tolerance: float = 0, **how: Any) -> Counter[str]:
    """The file in bits gives what the float file gives; its nodes by kind."""
    model = net.model(*outputs, **how)
    _, result = rewritten(model)
    image = net.image()
    expected = start(model).run(None, {"x": image})
    for session in [start(result)] + ([with_kernels(result)] if can_register() else []):
        for actual, wanted in zip(session.run(None, {"x": image}), expected, strict=True):
            assert actual.shape == wanted.shape and np.ptp(wanted) > 0
            np.testing.assert_allclose(actual, wanted, rtol=0, atol=tolerance)
    return Counter(node.op_type for node in result.graph.node)


def where(net: Net, x: str, comparison: str, *, yes: int = 1, swapped: bool = False) -> str:
    operands = (net.constant(0), x) if swapped else (x, net.constant(0))
    return net.node("Where", net.node(comparison, *operands), net.constant(yes), net.constant(-yes))
