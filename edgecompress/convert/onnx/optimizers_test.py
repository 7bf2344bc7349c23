"""Chains that ONNX Runtime's optimizers rewrite, some versions of them wrongly, at each of its levels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgecompress.convert.onnx.emit import emit_onnx
from edgecompress.convert.onnx.emit_test import checked, kinds
from edgecompress.convert.onnx.operators.operators_test import (
    DEPTHWISE,
    KERNEL,
    Case,
    assert_float_agrees,
    assert_int8_agrees,
    bilinear,
    constant,
    convert,
)
from edgecompress.testing.float_network import CHANNELS, Net, rewritten
from edgecompress.testing.onnx_sessions import LEVELS, start, start_session

pytestmark = pytest.mark.slow

IMAGE = (1, 12, 10, 8)
SQUARE = constant(8, 8) * 0.3


def below_zero(tf: Any, x: Any) -> Any:
    """A convolution whose results lie below zero, where a border of zeros is the greatest of its window."""
    return tf.nn.conv2d(x, KERNEL, 1, "SAME") - 20.0


def padded(tf: Any, x: Any, size: int = 1, value: float = 0.0) -> Any:
    return tf.pad(x, [[0, 0], [size, size], [0, size], [0, 0]], constant_values=value)


def pooled(tf: Any, x: Any, how: str = "VALID", kind: str = "max") -> Any:
    pool = tf.nn.max_pool2d if kind == "max" else tf.nn.avg_pool2d
    return pool(x, 3, 2, how)


def convolved(tf: Any, x: Any) -> Any:
    return tf.nn.conv2d(x, constant(3, 3, 16, 4) * 0.1, 1, "VALID")


CHAINS: dict[str, Callable[[Any, Any], Any]] = {
    "max pool": lambda tf, x: pooled(tf, padded(tf, below_zero(tf, x))),
    "max pool that pads": lambda tf, x: pooled(tf, padded(tf, below_zero(tf, x)), "SAME"),
    "max pool of the input": lambda tf, x: pooled(tf, padded(tf, x - 20.0)),
    "more than a window": lambda tf, x: pooled(tf, padded(tf, below_zero(tf, x), 4)),
    "average pool": lambda tf, x: pooled(tf, padded(tf, below_zero(tf, x)), kind="average"),
    "average pool that pads": lambda tf, x: pooled(tf, padded(tf, below_zero(tf, x)), "SAME", "average"),
    "more than an average": lambda tf, x: pooled(tf, padded(tf, below_zero(tf, x), 4), kind="average"),
    "pads one after another": lambda tf, x: pooled(tf, padded(tf, padded(tf, below_zero(tf, x)))),
    "a ReLU between": lambda tf, x: pooled(tf, tf.nn.relu6(padded(tf, below_zero(tf, x) + 20.0)), kind="average"),
    "ones": lambda tf, x: pooled(tf, padded(tf, below_zero(tf, x), value=1.0)),
    "minus infinity": lambda tf, x: pooled(tf, padded(tf, below_zero(tf, x), value=-3e38)),
    "a transpose between": lambda tf, x: pooled(tf, tf.transpose(padded(tf, below_zero(tf, x)), [0, 2, 1, 3])),
    "transposes between": lambda tf, x: pooled(
        tf, tf.transpose(tf.transpose(padded(tf, below_zero(tf, x)), [0, 3, 1, 2]), [0, 2, 3, 1])
    ),
    "a pool and a convolution": lambda tf, x: [
        pooled(tf, (border := padded(tf, below_zero(tf, x)))), convolved(tf, border)
    ],
    "an output": lambda tf, x: [pooled(tf, (border := padded(tf, below_zero(tf, x)))), border],
    "convolution": lambda tf, x: convolved(tf, padded(tf, below_zero(tf, x))),
    "depthwise": lambda tf, x: tf.nn.depthwise_conv2d(padded(tf, x), DEPTHWISE, [1, 2, 2, 1], "VALID"),
    "a bound behind a sum": lambda tf, x: tf.nn.relu6(below_zero(tf, x) + below_zero(tf, x) + 40.0),
    "products of products": lambda tf, x: tf.nn.relu(below_zero(tf, x) * constant(16) * 0.5 + constant(16)),
    "reshapes": lambda tf, x: tf.reshape(tf.nn.relu(tf.reshape(below_zero(tf, x), (1, 120, 16))), (1, 10, 12, 16)),
    "slices of slices": lambda tf, x: below_zero(tf, x)[:, 1:, ::-1][:, ::2, 1:, 3:],
    "means": lambda tf, x: tf.reduce_mean(pooled(tf, x), [1, 2], keepdims=True) + pooled(tf, x),
    "channels as an axis of images": lambda tf, x: bilinear(tf, tf.transpose(pooled(tf, x), [0, 3, 1, 2]), [16, 10]),
    "a convolution twice": lambda tf, x: [tf.nn.conv2d(each, KERNEL, 1, "SAME") for each in (x, x[:, ::2])],
    "a depthwise convolution twice": lambda tf, x: [
        tf.nn.depthwise_conv2d(each, DEPTHWISE, [1, 1, 1, 1], "SAME") for each in (x, x[:, ::-1])
    ],
    "a product twice": lambda tf, x: tf.matmul(tf.nn.relu(tf.matmul(x[:, 0, 0], SQUARE)), SQUARE),
    "convolutions twice": lambda tf, x: convolved(tf, below_zero(tf, x)) + convolved(tf, below_zero(tf, x[:, ::-1])),
    "blocks": lambda tf, x: tf.nn.depth_to_space(tf.nn.space_to_depth(below_zero(tf, x), 2)[:, 1:], 2),
}  # fmt: skip
IN_INT8 = sorted(CHAINS.keys() - {"reshapes"})  # which LiteRT's delegate refuses to prepare


def case(name: str) -> Case:
    return Case("", CHAINS[name], (IMAGE,))


@pytest.mark.parametrize("name", CHAINS)
def test_float(name: str) -> None:
    assert_float_agrees(convert(case(name), quantized=False), [IMAGE])


@pytest.mark.parametrize("name", IN_INT8)
def test_int8(name: str) -> None:
    # A step of the first operator, where float sums end near a half, is at most a step of those that select or average.
    assert_int8_agrees(convert(case(name), quantized=True), [IMAGE], steps=0)


def test_a_pad_is_still_taken_into_a_convolution(tmp_path: Path) -> None:
    content = emit_onnx(convert(case("convolution"), quantized=False))
    start_session(content, optimized=tmp_path / "optimized.onnx")
    assert kinds(onnx.load_from_string(content)).count("Pad") == 1
    assert "Pad" not in kinds(onnx.load(tmp_path / "optimized.onnx"))


def test_blocks_of_codes_are_moved_by_operators_that_old_runtimes_have_for_them() -> None:
    made = Counter(kinds(checked(convert(case("blocks"), quantized=True))))
    assert not {"DepthToSpace", "SpaceToDepth"} & made.keys()
    assert Counter(kinds(checked(convert(case("blocks"), quantized=False))))["DepthToSpace"] == 1


@pytest.mark.parametrize("computed", [False, True], ids=["constant borders", "computed borders"])
@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
def test_pads_of_rewritten_files_are_kept_apart_from_pools(kind: str, computed: bool) -> None:
    net = Net()
    sums = net.node("Sub", net.conv(net.sign("x"), 8, CHANNELS), net.constant(200))
    border = net.constant([0, 0, 1, 1] * (1 if computed else 2), np.int64)
    border = net.node("Concat", border, border, axis=0) if computed else border
    x = net.node(kind, net.node("Pad", sums, border), kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 0, 0])
    model = net.model(x)
    (wanted,) = start(model, graph_optimization_level=LEVELS["off"]).run(None, {"x": net.image()})
    for level in LEVELS:
        session = start(rewritten(model)[1], graph_optimization_level=LEVELS[level])
        np.testing.assert_array_equal(session.run(None, {"x": net.image()})[0], wanted)
