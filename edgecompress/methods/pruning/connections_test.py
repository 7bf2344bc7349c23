from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from edgecompress.environment import load_keras
from edgecompress.methods.pruning.connections import share, survivors, unprunable

KERNELS = arrays(np.float32, array_shapes(max_dims=4, max_side=5), elements=st.integers(-8, 8).map(float))


def test_the_smallest_go_whatever_their_sign() -> None:
    kernel = np.array([[0.5, -0.1], [-3.0, 0.2]], np.float32)
    assert survivors(kernel, 2).tolist() == [[True, False], [True, False]]


@given(KERNELS, st.integers(0, 700))
def test_as_many_go_as_asked_for_but_zeros_always_and_the_largest_never(kernel, removed) -> None:
    stays = survivors(kernel, removed)
    zeros = np.count_nonzero(kernel == 0)
    assert np.count_nonzero(~stays) == max(zeros, min(removed, kernel.size - 1))
    if not stays.all() and stays.any():
        assert np.abs(kernel[stays]).min() >= np.abs(kernel[~stays]).max()


def test_a_share_is_rounded() -> None:
    assert share(np.zeros((10, 10)), 0.29) == 29  # 0.29 * 100 is 28.999999999999996


@pytest.mark.parametrize(("kind", "count"), [("Dense", 1), ("Conv2D", 1), ("DepthwiseConv2D", 0)])
def test_depthwise_kernels_are_not_pruned(kind, count) -> None:
    layers = load_keras().layers
    layer = layers.Dense(2) if kind == "Dense" else getattr(layers, kind)(*((2,) if kind == "Conv2D" else ()), 3)
    assert bool(unprunable(layer)) is not bool(count)
