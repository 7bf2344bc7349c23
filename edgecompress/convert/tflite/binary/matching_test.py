"""What only looks like a sign of bits, or like a layer that reads them, is left as it is or refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgecompress.convert.binary_chains_test import Link, Network, Plan, assert_equal, in_litert
from edgecompress.convert.tflite.binary.emit import emit_binary
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.runtimes.engines.registration import can_register
from edgecompress.testing.tflite_files import T, build, options, run_litert

pytestmark = pytest.mark.skipif(not can_register(), reason="needs ziglang, and a processor that there are kernels for")

EMPTY = Plan(seed=0, padding="same", activation="NONE", biased=False, chain=(), open=True)


def spread(network: Network) -> int:
    """where(x >= 0, 1, -1) of one pixel, with as many ones as an image has."""
    network.tensors[0] = T([1, 1, 1, 6], name="x")
    positive = network.add("GREATER_EQUAL", [0, network.constant(0)], dtype="BOOL")
    ones, minus = network.constant(np.ones((1, 6, 6, 6))), network.constant(-1)
    return network.add("SELECT_V2", [positive, ones, minus], shape=[1, 6, 6, 6])


def rectified(network: Network) -> int:
    """sign(relu(sign(x) + 0.5)), which is never -1."""
    shifted = network.add(
        "ADD", [network.add("SIGN", [0]), network.constant(0.5)], options("AddOptions", fusedActivationFunction=1)
    )
    return network.add("SIGN", [shifted])


def compared_with_one(network: Network) -> int:
    positive = network.add("GREATER_EQUAL", [0, network.constant(1)], dtype="BOOL")
    return network.add("SELECT_V2", [positive, network.constant(1), network.constant(-1)], shape=[1, 6, 6, 6])


@pytest.mark.parametrize("signs", [spread, rectified, compared_with_one])
def test_what_is_no_sign_of_its_source_stays_real(signs: Callable[[Network], int]) -> None:
    network = Network(EMPTY)
    network.operators.clear()
    output = network.convolution(signs(network), *EMPTY.kernel(0), padding="same")
    content = build(network.tensors, network.operators, inputs=[0], outputs=[output])
    image = np.random.default_rng(0).integers(-2, 3, network.tensors[0].shape).astype(np.float32)
    binary = emit_binary(content).content
    kinds = {operator.custom_code for operator in parse_graph(binary).operators}
    assert "LceDequantize" in kinds and "LceBconv2d" not in kinds
    assert_equal(in_litert(binary, image), run_litert(content, image))


@pytest.mark.parametrize("real", [False, True])
def test_a_bias_that_is_computed_is_refused(real: bool) -> None:
    network = Network(EMPTY)
    network.operators.clear()
    source = 0 if real else network.sign(0)
    output = network.convolution(source, *EMPTY.kernel(0), padding="same")
    kind, inputs, outputs, table = network.operators.pop()
    bias = network.add("ABS", [inputs[2]])
    network.operators.append((kind, [*inputs[:2], bias], outputs, table))
    content = build(network.tensors, network.operators, inputs=[0], outputs=[output])
    with pytest.raises(ConversionError, match="its bias is no float32 constant with a number for each filter"):
        emit_binary(content)


@pytest.mark.parametrize("factors", [(1e30, 1e30, 1e-30, 1e-30), (1e-30, 1e-30, 1e30, 1e30)])
def test_what_leaves_float32_on_the_way_is_not_folded(factors: tuple[float, ...]) -> None:
    """As in the float file, the values are infinite or 0 in the end."""
    links = tuple(Link("MUL", np.array(factor, np.float32)) for factor in factors)
    plan = Plan(seed=1, padding="ones", activation="NONE", biased=False, chain=links, open=True)
    content = Network(plan).content
    assert_equal(in_litert(emit_binary(content).content, plan.image), run_litert(content, plan.image))
