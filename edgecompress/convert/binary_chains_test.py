"""Random operators between two binary layers: both formats, in every runtime, compute what the float file does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.convert.onnx.emit import emit_onnx
from edgecompress.convert.onnx.rewrite import rewrite_onnx
from edgecompress.convert.tflite.binary.emit import emit_binary
from edgecompress.convert.tflite.check import check_tflite
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.runtimes.engines.registration import can_register
from edgecompress.runtimes.engines.tflite_binary import BinaryTfliteSession
from edgecompress.testing.float_network import Net
from edgecompress.testing.onnx_sessions import start, with_kernels
from edgecompress.testing.tflite_files import T, build, options, run_litert

pytestmark = pytest.mark.skipif(not can_register(), reason="needs ziglang, and a processor that there are kernels for")

SIDE = CHANNELS = 6  # so that a constant of rows is not told from one of channels by its size
# Numbers are whole multiples of 2^-12 and below 2^12, so that float32 rounds none, in whatever order.
NUMBERS = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 1.5, -3.0, 0.25, 6.0)
VALUES = {"MUL": (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0), "DIV": (1.0, -1.0, 0.5, -0.5, 2.0, -2.0)}
RISING = {"MUL": (0.0, 0.5, 1.0, 2.0), "DIV": (0.5, 1.0, 2.0)}  # as most batch norms behind a pool are
ACTIVATIONS = ("NONE", "NONE", "NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1")
SHAPES: dict[str, Callable[[int], tuple[int, ...]]] = {
    "channels": lambda side: (CHANNELS,), "scalar": lambda side: (), "one": lambda side: (1,),
    "pixel": lambda side: (1, 1, 1, CHANNELS), "rows": lambda side: (side, 1, 1),
    "columns and channels": lambda side: (side, CHANNELS), "all": lambda side: (1, side, side, CHANNELS),
}  # fmt: skip
TABLES = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "DIV": "DivOptions"}
WITH_CONSTANT = (*TABLES, "MAXIMUM", "MINIMUM")
PLAIN = ("NEG", "RELU", "RELU6", "POOL", "TWICE", "OUTPUT", "BRANCH")
# What is folded comes often, and what ends it seldom, so that chains grow.
KINDS = (*WITH_CONSTANT * 4, *("SUB", "NEG", "POOL") * 2, *PLAIN)
FIRST_KINDS = (*KINDS, *["POOL"] * 12)
LIKELY_SHAPES = (*("channels", "scalar", "pixel") * 3, "one", "rows", "rows", "columns and channels", "all")


@dataclass(frozen=True)
class Link:
    """One operator of the chain."""

    kind: str
    constant: np.ndarray | None = None  # NHWC
    swapped: bool = False
    activation: str = "NONE"
    turned: bool = False  # in ONNX: with the channels last


@dataclass(frozen=True)
class Plan:
    """x, sign, a binary convolution, the chain, and once more a sign and a binary convolution, if not `open`."""

    seed: int
    padding: str
    activation: str
    biased: bool
    chain: tuple[Link, ...]
    open: bool

    def kernel(self, which: int) -> tuple[np.ndarray, np.ndarray]:
        """O x 3 x 3 x I, and the bias."""
        generator = np.random.default_rng((self.seed, which))
        signs = generator.choice([-1.0, 1.0], (CHANNELS, 3, 3, CHANNELS))
        bias = generator.integers(-8, 8, CHANNELS) / 4 * self.biased
        return (signs * 2.0 ** generator.integers(-2, 2, (CHANNELS, 1, 1, 1))).astype(np.float32), bias

    @property
    def image(self) -> np.ndarray:
        """Of numbers of both signs and zeros, NHWC."""
        return np.random.default_rng(self.seed).integers(-2, 3, (1, SIDE, SIDE, CHANNELS)).astype(np.float32)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    padding = draw(st.sampled_from(["ones", "valid", "same"]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    links, side = list[Link](), SIDE - 2 * (padding == "valid")
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(KINDS if links else FIRST_KINDS))
        if kind in PLAIN:
            links.append(Link(kind))
            side = -(-side // 2) if kind == "POOL" else side
            continue
        values = (RISING if draw(st.booleans()) else VALUES).get(kind, NUMBERS)
        constant = random.choice(np.array(values, np.float32), SHAPES[draw(st.sampled_from(LIKELY_SHAPES))](side))
        links.append(
            Link(
                kind,
                np.asarray(constant, np.float32),
                swapped=kind != "DIV" and draw(st.booleans()),
                activation=draw(st.sampled_from(ACTIVATIONS)) if kind in TABLES else "NONE",
                turned=draw(st.booleans()),
            )
        )
    activation, biased = draw(st.sampled_from(ACTIVATIONS)), draw(st.booleans())
    return Plan(draw(st.integers(0, 2**32 - 1)), padding, activation, biased, tuple(links), draw(st.booleans()))


class Network:
    """A plan as a float TFLite graph."""

    def __init__(self, plan: Plan) -> None:
        self.tensors = [T([1, SIDE, SIDE, CHANNELS], name="x")]
        self.operators: list[tuple[str, list[int], list[int], Any]] = []
        outputs: list[int] = []
        x = self.convolution(self.sign(0), *plan.kernel(0), padding=plan.padding, activation=plan.activation)
        for link in plan.chain:
            if link.kind == "OUTPUT":
                outputs.append(x)
            elif link.kind == "BRANCH":
                outputs.append(self.add("ABS", [x]))
            else:
                x = self.link(link, x)
        if not plan.open:
            x = self.convolution(self.sign(x), *plan.kernel(1), padding="same")
        self.content = build(self.tensors, self.operators, inputs=[0], outputs=list(dict.fromkeys((*outputs, x))))

    def link(self, link: Link, x: int) -> int:
        if link.kind == "TWICE":
            return self.add("ADD", [x, x], options("AddOptions"))
        if link.kind == "POOL":
            _, height, width, channels = self.tensors[x].shape
            table = options("Pool2DOptions", padding=0, strideW=2, strideH=2, filterWidth=2, filterHeight=2)
            return self.add("MAX_POOL_2D", [x], table, shape=[1, -(-height // 2), -(-width // 2), channels])
        if link.constant is None:
            return self.add(link.kind, [x])
        fused = getattr(schema.ActivationFunctionType, link.activation)
        table = options(TABLES[link.kind], fusedActivationFunction=fused) if link.kind in TABLES else None
        pair = [x, self.constant(link.constant)][:: -1 if link.swapped else 1]
        return self.add(link.kind, pair, table, shape=self.tensors[x].shape)

    def constant(self, data: Any, dtype: Any = np.float32) -> int:
        array = np.asarray(data, dtype)
        self.tensors.append(T(array.shape, array.dtype.name.upper(), data=array))
        return len(self.tensors) - 1

    def add(self, kind: str, inputs: list[int], table: Any = None, *, shape: Any = None, dtype: str = "FLOAT32") -> int:
        self.tensors.append(T(self.tensors[inputs[0]].shape if shape is None else shape, dtype))
        self.operators.append((kind, inputs, [len(self.tensors) - 1], table))
        return len(self.tensors) - 1

    def sign(self, x: int) -> int:
        positive = self.add("GREATER_EQUAL", [x, self.constant(0)], dtype="BOOL")
        return self.add("SELECT_V2", [positive, self.constant(1), self.constant(-1)], shape=self.tensors[x].shape)

    def convolution(
        self, x: int, kernel: np.ndarray, bias: np.ndarray, *, padding: str, activation: str = "NONE"
    ) -> int:
        _, height, width, channels = self.tensors[x].shape
        if padding == "ones":
            amounts = self.constant([(0, 0), (1, 1), (1, 1), (0, 0)], np.int32)
            shape = [1, height + 2, width + 2, channels]
            x = self.add("PADV2", [x, amounts, self.constant([1])], options("PadV2Options"), shape=shape)
        table = options(
            "Conv2DOptions", strideW=1, strideH=1, dilationWFactor=1, dilationHFactor=1,
            padding=0 if padding == "same" else 1,
            fusedActivationFunction=getattr(schema.ActivationFunctionType, activation),
        )  # fmt: skip
        less = 2 * (padding == "valid")
        shape = [1, height - less, width - less, channels]
        return self.add("CONV_2D", [x, self.constant(kernel), self.constant(bias)], table, shape=shape)


OPERATORS = {"ADD": "Add", "SUB": "Sub", "MUL": "Mul", "DIV": "Div", "MAXIMUM": "Max", "MINIMUM": "Min"}
BOUNDS = {"RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}


def onnx_network(plan: Plan) -> onnx.ModelProto:
    """A plan as a float ONNX graph, NCHW."""
    net = Net(1, CHANNELS, SIDE, SIDE)

    def convolution(x: str, which: int, padding: str) -> str:
        kernel, bias = plan.kernel(which)
        if padding == "ones":
            amounts = net.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64)
            x = net.node("Pad", x, amounts, net.constant(1))
        constants = net.constant(kernel.transpose(0, 3, 1, 2)), net.constant(bias)
        return net.node("Conv", x, *constants, pads=[int(padding == "same")] * 4)

    def activated(x: str, activation: str) -> str:
        if activation == "NONE":
            return x
        if activation == "RELU":
            return net.node("Relu", x)
        return net.node("Clip", x, *map(net.constant, BOUNDS[activation]))

    def linked(link: Link, x: str) -> str:
        if link.constant is None:
            kinds = {"NEG": ("Neg", x), "TWICE": ("Add", x, x), "BRANCH": ("Abs", x)}
            if link.kind == "POOL":
                return net.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER")
            return net.node(*kinds[link.kind]) if link.kind in kinds else activated(x, link.kind)
        constant = link.constant
        if not link.turned and constant.ndim:
            constant = constant.reshape((1,) * (4 - constant.ndim) + constant.shape).transpose(0, 3, 1, 2)
        x = net.node("Transpose", x, perm=[0, 2, 3, 1]) if link.turned else x
        pair = [x, net.constant(constant)][:: -1 if link.swapped else 1]
        x = net.node(OPERATORS[link.kind], *pair)
        x = net.node("Transpose", x, perm=[0, 3, 1, 2]) if link.turned else x
        return activated(x, link.activation)

    outputs: list[str] = []
    x = activated(convolution(net.sign("x"), 0, plan.padding), plan.activation)
    for link in plan.chain:
        if link.kind in ("OUTPUT", "BRANCH"):
            outputs.append(x if link.kind == "OUTPUT" else linked(link, x))
        else:
            x = linked(link, x)
    x = x if plan.open else convolution(net.sign(x), 1, "same")
    return net.model(*dict.fromkeys((*outputs, x)))


@given(plans())
@settings(max_examples=150, deadline=None)
def test_a_binary_file_computes_what_the_float_tflite_file_does(plan: Plan) -> None:
    content = Network(plan).content
    expected = run_litert(content, plan.image)
    binary = emit_binary(content).content
    assert check_tflite(content) == check_tflite(binary) == ()
    kinds = [operator.custom_code for operator in parse_graph(binary).operators]
    assert kinds.count("LceBconv2d") == 2 - plan.open
    assert_equal(in_litert(binary, plan.image), expected)
    whole, model = (onnx.load_from_string(emit_onnx(each)) for each in (content, binary))
    for session in (start(whole), start(model), with_kernels(model)):
        assert_equal(session.run(None, {"x": plan.image}), expected)


@given(plans())
@settings(max_examples=150, deadline=None)
def test_a_binary_file_computes_what_the_float_onnx_file_does(plan: Plan) -> None:
    model, image = onnx_network(plan), plan.image.transpose(0, 3, 1, 2)
    expected = start(model).run(None, {"x": image})
    binary = onnx.load_from_string(rewrite_onnx(model.SerializeToString(), metadata={}).content)
    assert sum(node.op_type in ("BinaryConv2d", "BinaryConv2dBits") for node in binary.graph.node) == 2 - plan.open
    for session in (start(binary), with_kernels(binary)):
        assert_equal(session.run(None, {"x": image}), expected)


def in_litert(content: bytes, image: np.ndarray) -> list[np.ndarray]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "binary.tflite"
        path.write_bytes(content)
        session = BinaryTfliteSession(str(path))
        session.bind([image])
        session.invoke()
        return [np.array(output) for output in session.read()]


def assert_equal(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for actual, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(actual, wanted)
