"""A scale is taken off sums of which the signs alone are read, which are those of the whole numbers then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from edgecompress.convert.binary_chains_test import CHANNELS, SIDE, Link, Network, Plan, assert_equal, plans
from edgecompress.convert.tflite.binary.whole_sums import with_whole_sums
from edgecompress.convert.tflite.editor import Editor
from edgecompress.testing.tflite_files import build, options, run_litert

PLAN = Plan(seed=0, padding="valid", activation="NONE", biased=False, chain=(), open=False)
SCALE = np.float32(1 / np.sqrt(1.001))  # of a batch norm that has learnt nothing: no sum of it is exact
IMAGES = np.random.default_rng(1).normal(size=(20, 1, SIDE, SIDE, CHANNELS)).astype(np.float32)


class Scaled(Network):
    """A network whose first kernel is +-SCALE, and whose last one tells every sign."""

    def convolution(self, x, kernel, bias, **arguments):  # type: ignore[no-untyped-def]
        return super().convolution(x, np.sign(kernel) * SCALE, bias * SCALE, **arguments)


def kernels(content: bytes) -> list[set[float]]:
    editor = Editor(content)
    found = [editor.constant(operator.inputs[1]) for operator in editor.graph.operators if len(operator.inputs) == 3]
    return [set(np.unique(kernel)) for kernel in found if kernel is not None and kernel.ndim == 4]


def signs_of(plan: Plan, change: Callable[[Network, int], int]) -> bytes:
    """x, sign, a convolution with +-SCALE, what `change` adds, sign."""
    network = Scaled(replace(plan, open=True))
    network.operators.clear()
    x = network.convolution(network.sign(0), *plan.kernel(0), padding=plan.padding, activation=plan.activation)
    return build(network.tensors, network.operators, inputs=[0], outputs=[network.sign(change(network, x))])


def pooled(network: Network, x: int) -> int:
    table = options("Pool2DOptions", padding=1, strideW=2, strideH=2, filterWidth=2, filterHeight=2)
    return network.add("MAX_POOL_2D", [x], table, shape=[1, 2, 2, CHANNELS])


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("change", [lambda network, x: x, pooled])
def test_the_signs_are_those_of_the_whole_numbers(change, biased: bool) -> None:
    plan = replace(PLAN, biased=biased)
    content = signs_of(plan, change)
    whole = with_whole_sums(content)
    assert kernels(content) == [{-SCALE, SCALE}] and kernels(whole) == [{-1.0, 1.0}]
    kernel, bias = plan.kernel(0)
    windows = np.lib.stride_tricks.sliding_window_view(np.where(IMAGES[:, 0] >= 0, 1, -1), (3, 3), axis=(1, 2))
    sums = np.einsum("nyxcij,oijc->nyxo", windows, np.sign(kernel).astype(int)) + bias
    if change is pooled:
        sums = sums.reshape(-1, 2, 2, 2, 2, CHANNELS).max(axis=(2, 4))
    if not biased:
        assert np.count_nonzero(sums == 0) > 10  # where rounding could decide
    for image, expected in zip(IMAGES, sums, strict=True):
        np.testing.assert_array_equal(run_litert(whole, image)[0][0], np.where(expected >= 0, 1, -1))


@given(plans())
@settings(max_examples=60, deadline=None)
def test_no_output_changes(plan: Plan) -> None:
    content = Network(plan).content  # of scales that are powers of two, so that nothing is rounded either way
    assert_equal(run_litert(with_whole_sums(content), plan.image), run_litert(content, plan.image))


@pytest.mark.parametrize(
    "change",
    [
        lambda network, x: network.add("ADD", [x, network.constant(0.5)], options("AddOptions")),
        lambda network, x: network.add("RELU6", [x]),
        lambda network, x: network.add("ABS", [x]),
    ],
)
def test_sums_that_something_else_reads_keep_their_scale(change) -> None:
    content = signs_of(PLAN, change)
    assert with_whole_sums(content) is content


def test_an_output_keeps_its_scale() -> None:
    content = Scaled(replace(PLAN, chain=(Link("OUTPUT"),))).content
    assert with_whole_sums(content) is content


def test_a_clipped_sum_keeps_its_scale() -> None:
    content = signs_of(replace(PLAN, activation="RELU6"), lambda network, x: x)
    assert with_whole_sums(content) is content
    assert with_whole_sums(signs_of(replace(PLAN, activation="RELU"), lambda network, x: x)) is not content
