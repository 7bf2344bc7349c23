from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from edgecompress.environment import load_keras, load_tensorflow, load_tfmot
from edgecompress.methods.pruning.connections import block_survivors, group_survivors, share, survivors, unprunable

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


def test_the_blocks_of_smallest_mean_go_and_those_at_the_end_are_smaller() -> None:
    kernel = np.array([[1, 1, 9], [1, 1, 1], [4, -4, -2]], np.float32)  # means 1, 5; 4, 2
    stays = block_survivors(kernel, 0.5, (2, 2))
    np.testing.assert_array_equal(stays, [[False, False, True], [False, False, True], [True, True, False]])


@pytest.mark.parametrize("block", [(2, 2), (4, 1), (3, 5)])
def test_blocks_are_those_of_tfmot(block) -> None:
    load_tfmot()
    from tensorflow_model_optimization.python.core.sparsity.keras import pruning_impl, pruning_schedule

    kernel = np.random.default_rng(1).normal(size=(12, 17)).astype(np.float32)
    variable = load_tensorflow().Variable(kernel)
    theirs = pruning_impl.Pruning(
        lambda: 1, [(variable, None, None)], pruning_schedule.ConstantSparsity(0.7, 0), block, "AVG"
    )
    np.testing.assert_array_equal(block_survivors(kernel, 0.7, block), theirs._maybe_update_block_mask(variable)[1])


@pytest.mark.parametrize("shape", [(16, 5), (3, 2, 8, 5)])
@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 8), (3, 4)])
def test_n_of_m_is_that_of_tfmot_and_ties_too(shape, n, m) -> None:
    load_tfmot()
    from tensorflow_model_optimization.python.core.sparsity.keras import pruning_utils as theirs

    random = np.random.default_rng(2)
    for kernel in (random.normal(size=shape), random.integers(1, 3, shape) * random.choice([-1, 1], shape)):
        variable = load_tensorflow().Variable(kernel.astype(np.float32))
        groups = theirs.weights_rearrange(variable)
        mask = theirs.m_by_n_sparsity_mask_prepare(theirs.generate_m_by_n_mask(groups, (m - n, m)), variable.shape)
        np.testing.assert_array_equal(group_survivors(variable.numpy(), n, m), np.asarray(mask, bool))
