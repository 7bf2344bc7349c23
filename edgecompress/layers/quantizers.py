"""sign(x), -1 where x < 0 and +1 elsewhere, with a gradient that can be trained with: its own is zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.keras_types import Tensor

tensorflow: Any = load_tensorflow()

Gradient = Callable[[Tensor], Tensor]


def sign(x: Tensor) -> Tensor:
    """Return +1 where x >= 0, else -1, written as the comparison and choice that conversion looks for."""
    return tensorflow.where(x >= 0.0, 1.0, -1.0)


@tensorflow.custom_gradient
def sign_ste(x: Tensor) -> tuple[Tensor, Gradient]:
    """Straight-through estimator: y = sign(x), dy/dx = 1[|x| <= 1].

    Courbariaux et al., Binarized Neural Networks, arXiv:1602.02830, section 1.3.
    """
    return sign(x), lambda upstream: upstream * _inside(x)


@tensorflow.custom_gradient
def kernel_sign_ste(w: Tensor) -> tuple[Tensor, Gradient]:
    """`sign_ste` of a kernel, in a form that conversion makes a constant of."""
    return _kernel_sign(w), lambda upstream: upstream * _inside(w)


@tensorflow.custom_gradient
def approximate_sign(x: Tensor) -> tuple[Tensor, Gradient]:
    """Piecewise quadratic sign: y = sign(x), dy/dx = (2 - 2|x|) 1[|x| <= 1].

    Liu et al., Bi-Real Net, arXiv:1808.00278, section 3.3.
    """
    return sign(x), lambda upstream: upstream * tensorflow.maximum(2.0 - 2.0 * tensorflow.abs(x), 0.0)


def stochastic_sign(w: Tensor, *, seed: Any) -> Tensor:
    """Drawn sign: y = +1 with probability p = clip((w + 1) / 2, 0, 1), else -1; dy/dw = 1[|w| <= 1], that of E[y].

    Courbariaux et al., BinaryConnect, arXiv:1511.00363, section 2.2.
    """
    uniform = load_keras().random.uniform(w.shape, dtype=w.dtype, seed=seed)

    @tensorflow.custom_gradient
    def drawn(w: Tensor) -> tuple[Tensor, Gradient]:
        probability = tensorflow.clip_by_value((w + 1.0) / 2.0, 0.0, 1.0)
        return tensorflow.where(uniform < probability, 1.0, -1.0), lambda upstream: upstream * _inside(w)

    return drawn(w)


def scaled_sign(w: Tensor, *, filter_axes: int = 1) -> Tensor:
    """Scaled sign: y = alpha sign(w), alpha = mean |w| over the n weights of a filter, dy/dw = 1/n + alpha 1[|w| <= 1].

    The last `filter_axes` axes number the filters. The mean is taken in float64, in which that of n equal float32 is
    exact: the alpha of a kernel of +-alpha is alpha again.

    Rastegari et al., XNOR-Net, arXiv:1603.05279, sections 3.1 and 3.2.
    """

    @tensorflow.custom_gradient
    def scaled(w: Tensor) -> tuple[Tensor, Gradient]:
        scale = alpha(w, filter_axes=filter_axes)
        weights = w.shape[:-filter_axes].num_elements()
        return scale * _kernel_sign(w), lambda upstream: upstream * (1.0 / weights + scale * _inside(w))

    return scaled(w)


def alpha(w: Tensor, *, filter_axes: int = 1) -> Tensor:
    """Return the mean magnitude of each filter's weights, in the shape of one weight of each filter."""
    magnitudes = tensorflow.cast(tensorflow.abs(w), tensorflow.float64)
    means = tensorflow.reduce_mean(magnitudes, axis=range(len(w.shape) - filter_axes))
    return tensorflow.cast(means, w.dtype)


def _kernel_sign(w: Tensor) -> Tensor:
    # TFLite's converter folds no operation whose result is much larger than what goes in: not a choice between scalars.
    ones = tensorflow.ones_like(w)
    return tensorflow.where(w >= 0.0, ones, -ones)


def _inside(x: Tensor) -> Tensor:
    return tensorflow.cast(tensorflow.abs(x) <= 1.0, x.dtype)
