"""Weights settle in the last steps, the nearest first."""

from __future__ import annotations

import numpy as np

from edgecompress.environment import load_tensorflow
from edgecompress.layers.mixture_prior import MixturePrior
from edgecompress.methods.sharing.settling import Settling
from edgecompress.numerics.mixture import Mixture

START = Mixture(np.log([0.9, 0.04, 0.06]), np.array([0.0, -0.5, 0.5]), np.array([0.1, 0.2, 0.3]))


def test_settling_takes_more_weights_the_later_it_is() -> None:
    values = np.linspace(0.6, 0.67, 8, dtype=np.float32)  # at most 0.17 from the mean of 0.5
    weights = load_tensorflow().Variable(values)
    prior = MixturePrior([weights], START, tau=0.5, zero_prior=(3.0, 2.0), prior=(5.0, 0.1), name="prior")
    settling = Settling(prior, first=2, last=4)
    found = []
    for done in (1, 2, 3, 4):
        settling.after(done)
        found.append(int(np.count_nonzero(np.abs(weights.numpy() - 0.5) < 0.01)))
    assert found == [0, 0, 7, 8]  # 1 - (1 - t)^3 of them, t being 1/2 and 1
