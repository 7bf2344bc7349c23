"""The functions in ONNX Runtime, which knows nothing of them, and in ONNX's own reference, against the arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from edgecompress.convert.onnx.functions import DOMAIN, VERSION, function
from edgecompress.numerics.binary import Window, affine, binary_convolution, max_pool, pack_signs, unpack_signs
from edgecompress.testing.onnx_sessions import start

NAMES = ("BinaryQuantize", "BinaryConv2d", "BinaryConv2dBits", "BinaryMaxPool", "BinaryDequantize")
OPSET = 20


def model_of(
    nodes: list[onnx.NodeProto],
    inputs: Mapping[str, tuple[int, list[Any]]],
    outputs: Mapping[str, tuple[int, list[Any]]],
    constants: dict[str, np.ndarray],
) -> onnx.ModelProto:
    """A checked model with the functions that its nodes call; tensors are (type, shape)."""
    arguments, results = (
        [helper.make_tensor_value_info(name, *each) for name, each in side.items()] for side in (inputs, outputs)
    )
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "main", arguments, results, initializers),
        functions=[function(name, OPSET) for name in sorted({node.op_type for node in nodes})],
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, VERSION)],
        ir_version=9,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def call(name: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(name, inputs, [output], domain=DOMAIN, **attributes)


@dataclass
class Case:
    """One of every operator on random signs, and what they give."""

    channels: int
    outputs: int
    kernel: tuple[int, int]
    size: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad_value: int = 1
    relu: int = 0
    batch: int = 2
    seed: int = 0
    constants: dict[str, np.ndarray] = field(init=False)
    image: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        random = np.random.default_rng(self.seed)
        self.image = random.normal(size=(self.batch, self.channels, *self.size)).astype(np.float32)
        self.image[random.random(self.image.shape) < 0.1] = -0.0
        self.image[random.random(self.image.shape) < 0.05] = np.nan
        self.constants = {
            "W": pack_signs(random.normal(size=(self.outputs, *self.kernel, self.channels))),
            "multiplier": random.normal(size=self.outputs).astype(np.float32),
            "bias": (10 * random.normal(size=self.outputs)).astype(np.float32),
            "threshold": random.integers(-1, self.products + 2, self.outputs).astype(np.int32),
        }

    @property
    def products(self) -> int:
        return self.channels * self.kernel[0] * self.kernel[1]

    @property
    def pool_pads(self) -> Any:
        return tuple(min(pad, size - 1) for pad, size in zip(self.pads, self.kernel * 2, strict=True))

    def model(self) -> onnx.ModelProto:
        window = {"strides": self.strides, "pads": self.pads}
        moves = {"channels": self.channels, "dilations": self.dilations, **window}
        pool = {**window, "pads": self.pool_pads}
        values = {"pad_value": self.pad_value, "relu": self.relu}
        nodes = [
            call("BinaryQuantize", ["x"], "bits"),
            call("BinaryConv2d", ["bits", "W", "multiplier", "bias"], "numbers", **moves, **values),
            call("BinaryConv2dBits", ["bits", "W", "threshold"], "more", **moves, pad_value=1),
            call("BinaryMaxPool", ["bits"], "pooled", kernel_shape=self.kernel, **pool),
            call("BinaryDequantize", ["bits"], "signs", channels=self.channels),
        ]
        types = {"bits": TensorProto.UINT8, "numbers": TensorProto.FLOAT, "more": TensorProto.UINT8,
                 "pooled": TensorProto.UINT8, "signs": TensorProto.FLOAT}  # fmt: skip
        outputs = {name: (each, [None] * 4) for name, each in types.items()}
        return model_of(nodes, {"x": (TensorProto.FLOAT, ["n", "c", "h", "w"])}, outputs, self.constants)

    def expected(self) -> list[np.ndarray]:
        bits = pack_signs(self.image.transpose(0, 2, 3, 1))
        window = Window(self.strides, self.dilations, self.pads)
        kernel, threshold = self.constants["W"], self.constants["threshold"]
        zeros = self.pad_value == 0
        sums = binary_convolution(bits, kernel, window, channels=self.channels, zero_padding=zeros)
        numbers = affine(sums, self.constants["multiplier"], self.constants["bias"], relu=self.relu == 1)
        padded_by_ones = binary_convolution(bits, kernel, window, channels=self.channels)
        more = pack_signs(-(self.products - padded_by_ones > 2 * threshold.astype(np.int64)).astype(np.int8))
        pooled = max_pool(bits, self.kernel, Window(self.strides, (1, 1), self.pool_pads))
        return [bits, numbers.transpose(0, 3, 1, 2), more, pooled, unpack_signs(bits, self.channels)]


CASES = {
    "odd channels": Case(13, 11, (3, 3), (9, 7), pads=(1, 1, 1, 1)),
    "whole bytes, zeros, ReLU": Case(64, 16, (3, 3), (8, 8), (2, 2), pads=(0, 0, 1, 1), pad_value=0, relu=1),
    "dense": Case(200, 10, (1, 1), (1, 1)),
    "one channel": Case(1, 1, (2, 2), (4, 5), pad_value=0),
    "strides and dilations": Case(33, 5, (2, 3), (10, 11), (1, 2), (2, 1), (2, 2, 1, 0), 0, 1),
    "no padding": Case(40, 70, (5, 4), (6, 9), (3, 1), (1, 2)),
}


def _pair(random: np.random.Generator, top: int) -> tuple[int, int]:
    return int(random.integers(1, top)), int(random.integers(1, top))


def random_case(seed: int) -> Case:
    random = np.random.default_rng(seed)
    kernel, strides, dilations = (_pair(random, top) for top in (4, 3, 3))
    reach = [(taps - 1) * gap + 1 for taps, gap in zip(kernel, dilations, strict=True)]
    size: Any = tuple(int(random.integers(each, each + 8)) for each in reach)
    pads: Any = tuple(int(random.integers(0, each)) for each in reach * 2)
    return Case(
        channels=int(random.integers(1, 80)),
        outputs=int(random.integers(1, 40)),
        kernel=kernel,
        size=size,
        strides=strides,
        dilations=dilations,
        pads=pads,
        pad_value=int(random.integers(2)),
        relu=int(random.integers(2)),
        batch=int(random.integers(1, 4)),
        seed=seed,
    )


def assert_same(actual: Any, expected: list[np.ndarray]) -> None:
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", CASES)
def test_onnx_runtime(name: str) -> None:
    case = CASES[name]
    assert_same(start(case.model()).run(None, {"x": case.image}), case.expected())


@pytest.mark.parametrize("seed", range(40))
def test_random_shapes(seed: int) -> None:
    case = random_case(seed)
    assert_same(start(case.model()).run(None, {"x": case.image}), case.expected())


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # of the reference's Pad
@pytest.mark.parametrize("name", CASES)
def test_reference(name: str) -> None:
    case = CASES[name]
    assert_same(ReferenceEvaluator(case.model()).run(None, {"x": case.image}), case.expected())


@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"])
def test_no_optimization_rounds(level: str) -> None:
    # 1/10 of a sum, plus a bias, is rounded in every way that fusing the two may change.
    case = Case(128, 64, (3, 3), (14, 14), pads=(1, 1, 1, 1), seed=5)
    case.constants["multiplier"][:] = 0.1
    chosen = getattr(onnxruntime.GraphOptimizationLevel, level)
    assert_same(start(case.model(), graph_optimization_level=chosen).run(None, {"x": case.image}), case.expected())


def test_weights_are_unpacked_when_the_file_is_loaded(tmp_path: Any) -> None:
    case = CASES["no padding"]
    start(case.model(), optimized_model_filepath=str(tmp_path / "optimized.onnx"))
    graph = onnx.load(tmp_path / "optimized.onnx").graph
    assert "W" not in {each.name for each in graph.initializer}
    assert [node.op_type for node in graph.node].count("Split") == 3  # of activations, none of weights


@pytest.mark.parametrize("channels", [1, 7, 8, 100])
def test_rows(channels: int) -> None:
    rows = np.random.default_rng(1).normal(size=(5, channels)).astype(np.float32)
    outputs = {"bits": (TensorProto.UINT8, [None, None])}
    model = model_of([call("BinaryQuantize", ["x"], "bits")], {"x": (1, ["n", "c"])}, outputs, {})
    for run in (start(model).run, ReferenceEvaluator(model).run):
        assert_same(run(None, {"x": rows}), [pack_signs(rows)])


@pytest.mark.parametrize("threshold", [-(2**31), -1, 0, 2**24, 2**31 - 1])
def test_extreme_thresholds(threshold: int) -> None:
    case = Case(9, 4, (3, 3), (5, 5))
    case.constants["threshold"][:] = threshold
    assert_same(start(case.model()).run(None, {"x": case.image}), case.expected())


def damaged(name: str) -> onnx.ModelProto:
    """A model that onnx's checker lets pass, but whose tensors do not belong together."""
    case = Case(20, 6, (3, 3), (7, 7))
    model = case.model()
    initializers = {each.name: each for each in model.graph.initializer}
    attributes = {each.name: each for each in model.graph.node[2].attribute}
    if name == "channels":
        attributes["channels"].i = 2**30
    elif name == "no channels":
        attributes["channels"].i = 0
    elif name == "negative channels":
        attributes["channels"].i = -15
    elif name == "fewer channels":
        attributes["channels"].i = 16
    elif name == "kernel":
        initializers["W"].CopyFrom(numpy_helper.from_array(case.constants["W"][..., :2], "W"))
    elif name == "truncated":
        initializers["W"].raw_data = initializers["W"].raw_data[:-1]
    elif name == "strides":
        attributes["strides"].ints[:] = [0, 1]
    elif name in initializers:
        initializers[name].CopyFrom(numpy_helper.from_array(case.constants[name][:-1], name))
    return model


DAMAGES = ["channels", "no channels", "negative channels", "fewer channels", "kernel", "truncated", "strides",
           "threshold", "multiplier", "bias"]  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_what_does_not_belong_together_is_refused(name: str) -> None:
    image = np.zeros((1, 20, 7, 7), np.float32)
    with pytest.raises(Exception, match=r"\w+ \w+ \w+"):  # ONNX Runtime's errors have no base of their own
        start(damaged(name)).run(None, {"x": image})
