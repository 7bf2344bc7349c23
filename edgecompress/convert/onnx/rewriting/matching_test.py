"""Every way to write a sign, and what is nearly one."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto

from edgecompress.errors import ConversionError
from edgecompress.testing.float_network import CHANNELS, Net, agrees, rewritten, where


def negated(net: Net, x: str) -> str:
    condition = net.node("Not", net.node("Less", x, net.constant(0)))
    return net.node("Where", condition, net.constant(1), net.constant(-1))


def twice(net: Net, x: str) -> str:
    return net.node("Sign", net.node("Add", net.constant([0.1]), net.node("Sign", x)))


def cast(net: Net, x: str) -> str:
    number = net.node("Cast", net.node("GreaterOrEqual", x, net.constant(0)), to=TensorProto.FLOAT)
    return net.node("Sub", net.node("Mul", number, net.constant(2)), net.constant(1))


def two_casts(net: Net, x: str) -> str:
    """As tf2onnx writes tf.where."""
    condition = net.node("GreaterOrEqual", x, net.constant(0))
    yes = net.node("Cast", condition, to=TensorProto.FLOAT)
    no = net.node("Cast", net.node("Not", condition), to=TensorProto.FLOAT)
    return net.node("Add", net.node("Mul", yes, net.constant(1)), net.node("Mul", net.constant(-1), no))


def of_integers(net: Net, x: str) -> str:
    one, minus = net.constant(1, np.int64), net.constant(-1, np.int64)
    return net.node("Cast", net.node("Where", net.node("Less", x, net.constant(0)), minus, one), to=TensorProto.FLOAT)


def of_whole_tensors(net: Net, x: str) -> str:
    ones = np.ones(net.shape)
    return net.node("Where", net.node("GreaterOrEqual", x, net.constant(0)), net.constant(ones), net.constant(-ones))


SIGNS = {
    "at least": lambda net, x: where(net, x, "GreaterOrEqual"),
    "below": lambda net, x: where(net, x, "Less", yes=-1),
    "at most": lambda net, x: where(net, x, "LessOrEqual", swapped=True),
    "above": lambda net, x: where(net, x, "Greater", yes=-1, swapped=True),
    "negated": negated, "twice": twice, "cast": cast, "two casts": two_casts, "integers": of_integers,
    "whole tensors": of_whole_tensors,
}  # fmt: skip


@pytest.mark.parametrize("form", SIGNS)
def test_every_form_of_sign(form: str) -> None:
    net = Net()
    y = net.conv(SIGNS[form](net, "x"), 8, CHANNELS, pads=[1, 1, 1, 1])
    assert agrees(net, y) == {"BinaryQuantize": 1, "BinaryConv2d": 1}


LOOKALIKES = {
    "Sign": (lambda net, x: net.node("Sign", x), "0 for 0"),
    "above": (lambda net, x: where(net, x, "Greater"), "-1 for 0"),
    "at most": (lambda net, x: where(net, x, "GreaterOrEqual", swapped=True, yes=-1), "-1 for 0"),
}


@pytest.mark.parametrize("form", LOOKALIKES)
def test_a_sign_that_bits_do_not_have_is_refused(form: str) -> None:
    make, reason = LOOKALIKES[form]
    net = Net()
    y = net.conv(make(net, "x"), 8, CHANNELS, name="second")
    with pytest.raises(ConversionError, match=f"'second': .* {reason}"):
        rewritten(net.model(y))


def test_what_only_looks_like_signs_of_one_value_stays_float() -> None:
    net = Net()
    other = net.node("Neg", net.node("Add", "x", net.constant(2)))
    yes = net.node("Cast", net.node("GreaterOrEqual", "x", net.constant(0)), to=TensorProto.FLOAT)
    no = net.node("Cast", net.node("Less", other, net.constant(0)), to=TensorProto.FLOAT)
    y = net.conv(net.node("Sub", yes, no), 8, CHANNELS)
    wide = net.node("Sub", net.constant(np.ones((8, 1, 1, 1))), net.node("Mul", yes, net.constant(2)))
    kinds = agrees(net, y, net.conv(wide, 8, CHANNELS))
    assert kinds["Conv"] == kinds["BinaryDequantize"] == 2 and not kinds["BinaryConv2d"]
