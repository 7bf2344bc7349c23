"""Rounding to few bits, by hand and in two languages."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.convert.tflite.int8_kernels.few_levels import levels_of
from edgecompress.environment import load_tensorflow
from edgecompress.layers.decoders import Masked
from edgecompress.layers.rounding.fake_quantization import FakeQuantized, laplacian_clip

KERNEL = np.random.default_rng(0).laplace(size=(3, 3, 4, 6)).astype(np.float32)


def test_a_laplacian_is_cut_where_the_paper_says() -> None:
    # arXiv:1810.05723, section 3.1: 2.83, 3.89 and 5.03 for 2, 3 and 4 bits.
    assert [laplacian_clip(bits) for bits in (2, 3, 4)] == pytest.approx([2.83, 3.89, 5.03], abs=0.01)


@pytest.mark.parametrize("bits", range(2, 9))
def test_both_languages_round_to_the_same_levels(bits: int) -> None:
    tensorflow = load_tensorflow()
    decoder = FakeQuantized(Masked(KERNEL, keeps_zeros=False), (0, 1, 2), bits)
    found = decoder.array({"latent": KERNEL})
    traced = decoder.tensor({"latent": tensorflow.constant(KERNEL)}).numpy()
    most = 2 ** (bits - 1) - 1
    for each in range(6):
        levels = np.unique(np.abs(found[..., each]))
        step = levels.max() / (levels_of(levels.astype(np.float64)) or most)
        assert levels.max() / step <= most + 0.5
        np.testing.assert_allclose(levels / step, np.rint(levels / step), atol=1e-3)
        # A weight half way between two levels may fall to either side, as the scale is a sum in another order.
        assert np.mean(np.abs(found - traced)[..., each] > step / 2) < 0.03


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_fewer_bits_than_eight_lose_less_by_cutting(bits: int) -> None:
    """The mean square is below that of a grid up to the greatest weight, of which few are near."""
    kernel = np.random.default_rng(1).laplace(size=(3, 3, 128, 4)).astype(np.float32)
    found = FakeQuantized(Masked(kernel, keeps_zeros=False), (0, 1, 2), bits).array({"latent": kernel})
    step = np.abs(kernel).max((0, 1, 2)) / (2 ** (bits - 1) - 1)
    assert np.square(found - kernel).mean() < np.square(np.rint(kernel / step) * step - kernel).mean()


def test_gradients_pass_straight_through_and_zeros_stay() -> None:
    tensorflow = load_tensorflow()
    pruned = np.where(np.abs(KERNEL) > 1, KERNEL, 0)
    pruned[..., 2] = 0
    decoder = FakeQuantized(Masked(pruned, keeps_zeros=True), (0, 1, 2), 4)
    latent = tensorflow.Variable(pruned)
    with tensorflow.GradientTape() as tape:
        weights = decoder.tensor({"latent": latent})
        loss = tensorflow.reduce_sum(weights * KERNEL)
    np.testing.assert_array_equal(tape.gradient(loss, latent).numpy(), np.where(pruned != 0, KERNEL, 0))
    assert not weights.numpy()[pruned == 0].any() and not decoder.array({"latent": pruned})[pruned == 0].any()
