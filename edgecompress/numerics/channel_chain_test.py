"""Chains worked by hand, and random ones against the chain itself, sum by sum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.numerics.channel_chain import Chain, Step, channel_step, folded, sign_thresholds

FUNCTIONS = (np.multiply, np.add, np.subtract, np.divide, np.maximum, np.minimum)
numbers = st.one_of(
    st.floats(-100, 100, width=32), st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, -0.25, 3.0]), st.floats(width=32)
)


def step(function: np.ufunc, *numbers: float, swapped: bool = False) -> Step:
    found = channel_step(
        function, np.array(numbers, np.float32), rank=4, axis=3, channels=len(numbers), swapped=swapped
    )
    assert found is not None
    return found


@st.composite
def chains(draw: st.DrawFn, channels: int = 3) -> Chain:
    chain = Chain(
        draw(st.integers(1, 300)),
        (
            step(
                np.multiply,
                *draw(st.lists(numbers.map(np.abs).filter(np.isfinite), min_size=channels, max_size=channels)),
            ),
        ),
    )
    for _ in range(draw(st.integers(0, 5))):
        constant = np.array(draw(st.lists(numbers, min_size=channels, max_size=channels)), np.float32)
        found = (
            channel_step(
                draw(st.sampled_from(FUNCTIONS)),
                constant,
                rank=4,
                axis=1,
                channels=channels,
                swapped=draw(st.booleans()),
            )
            if draw(st.booleans())
            else channel_step(
                draw(st.sampled_from(FUNCTIONS)), constant[:1].reshape(()), rank=4, axis=1, channels=channels
            )
        )
        chain = chain.then(found) if found is not None else chain
    return chain


def all_sums(chain: Chain) -> np.ndarray:
    channels = chain.steps[0].operand.size
    return np.repeat(np.arange(-chain.products, chain.products + 1, 2)[:, None], channels, axis=1)


def test_a_constant_minus_the_sum_worked_by_hand() -> None:
    chain = Chain(9, (step(np.multiply, 2.0, 0.5), step(np.subtract, 1.0, -2.5, swapped=True)))
    assert chain(np.array([[3, 9]])).tolist() == [[-5.0, -7.0]]  # 1 - 2 * 3 and -2.5 - 0.5 * 9
    affine = chain.affine
    assert affine is not None and not affine.relu
    assert affine.multiplier.tolist() == [-2.0, -0.5] and affine.bias.tolist() == [1.0, -2.5]
    negated, thresholds = sign_thresholds(chain)
    # 1 - 2 s < 0 where s >= 1; with s' = -s where s' <= -1 of -9, -7, ..., 9: 9 - s' > 2 t for t = 4
    # -2.5 - s / 2 < 0 where s > -5; with s' = -s where s' < 5, that is at most 3: 9 - s' > 2 t for t = 2
    assert negated.tolist() == [True, True] and thresholds.tolist() == [4, 2]
    assert folded(Chain(9, chain.steps[:1]), chain.steps[1:], pooled=True) is None
    assert folded(Chain(9, chain.steps[:1]), chain.steps[1:], pooled=False) is not None


def test_a_relu_directly_behind_the_sum_is_one_of_the_sum() -> None:
    relu = step(np.maximum, 0.0)
    found = Chain(9, (step(np.multiply, 2.0), relu, step(np.multiply, -0.5), step(np.add, 1.0))).affine
    assert found is not None and found.relu and (found.multiplier.item(), found.bias.item()) == (-1.0, 1.0)
    assert Chain(9, (step(np.multiply, -2.0), relu)).affine is None
    assert Chain(9, (step(np.multiply, 2.0), step(np.add, 1.0), relu)).affine is None
    assert Chain(9, (step(np.multiply, 2.0), step(np.maximum, 1.0))).affine is None
    assert Chain(9, (step(np.multiply, 2.0), step(np.minimum, 0.0))).affine is None


@pytest.mark.parametrize("factors", [(1e30, 1e30, 1e-30, 1e-30), (1e-30, 1e-30, 1e30, 1e30)])
def test_what_leaves_float32_on_the_way_is_no_affine_map(factors: tuple[float, ...]) -> None:
    assert Chain(9, tuple(step(np.multiply, factor) for factor in factors)).affine is None


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((), 3), ((1,), 3), ((5,), 3), ((1, 1, 1, 5), 3), ((5, 1, 1), 1), ((1, 5, 1, 1), 1), ((1, 1, 1, 1), 2)],
)
def test_a_constant_of_channels(shape: tuple[int, ...], axis: int) -> None:
    found = channel_step(np.add, np.ones(shape, np.float32), rank=4, axis=axis, channels=5)
    assert found is not None and found.operand.tolist() == [1.0] * 5


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((5,), 1), ((5, 1), 3), ((5, 1, 1), 3), ((5, 5), 3), ((1, 4, 4, 5), 3), ((1, 1, 1, 1, 1), 3), ((2, 1, 1, 1), 3),
     ((4,), 3), ((0,), 3), ((5, 1, 1, 1), 1)],
)  # fmt: skip
def test_a_constant_that_is_not_one_number_a_channel(shape: tuple[int, ...], axis: int) -> None:
    assert channel_step(np.add, np.ones(shape, np.float32), rank=4, axis=axis, channels=5) is None


def test_what_is_no_step() -> None:
    def of(function: np.ufunc, constant: np.ndarray | None, **how: bool) -> Step | None:
        return channel_step(function, constant, rank=2, axis=1, channels=2, **how)

    one = np.ones(2, np.float32)
    assert of(np.divide, one, swapped=True) is None  # c / x turns at 0
    assert of(np.divide, np.array([1, 0], np.float32)) is None
    assert of(np.multiply, np.array([1, np.inf], np.float32)) is of(np.add, np.array([np.nan, 1], np.float32)) is None
    assert of(np.add, one.astype(np.int32)) is of(np.add, None) is None


@given(chains())
@settings(max_examples=300, deadline=None)
def test_thresholds_are_the_sign_of_the_chain_for_every_sum(chain: Chain) -> None:
    if not chain.is_finite:
        with pytest.raises(ValueError, match="finite"):
            sign_thresholds(chain)
        return
    negated, thresholds = sign_thresholds(chain)
    sums = all_sums(chain)
    with_negated_kernels = np.where(negated, -sums, sums)
    assert ((chain(sums) < 0) == (chain.products - with_negated_kernels > 2 * thresholds)).all()


@given(chains())
@settings(max_examples=300, deadline=None)
def test_an_affine_form_is_the_chain_for_every_sum(chain: Chain) -> None:
    """Within a rounding of 2^-24 a step and five more, of the magnitude that the terms add up to."""
    found = chain.affine
    if found is None:
        return
    magnitude = np.full(3, float(chain.products))
    for each in chain.steps:
        parts = each.scale_and_shift
        if parts is not None:
            magnitude = magnitude * np.abs(parts[0]) + np.abs(parts[1])
    sums = all_sums(chain)
    inner = np.maximum(sums, 0) if found.relu else sums
    values = inner.astype(np.float32) * found.multiplier + found.bias
    # Halfway between the ends numbers may vanish below float32, which moves them by 2^-150 of what scales them up.
    assert (np.abs(values - chain(sums)) <= (len(chain.steps) + 5) * 2.0**-24 * magnitude + 2.0**-149).all()
