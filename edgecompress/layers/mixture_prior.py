"""A mixture of normal distributions that is fitted to a network's weights while it draws them towards its means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.keras_types import Tensor
from edgecompress.numerics.mixture import Mixture

tensorflow: Any = load_tensorflow()
keras: Any = load_keras()

GammaPrior = tuple[float, float]  # shape and rate


class MixturePrior(keras.layers.Layer):
    """Passes its inputs on, and adds the loss of `weights` under the mixture: component 0 has mean 0 and a fixed share.

    `tau / n (-sum_i ln sum_j pi_j N(w_i | mu_j, 1 / gamma_j) - sum_j ln Gamma(gamma_j | a_j, b_j))` for n weights.
    """

    def __init__(
        self,
        weights: Sequence[Any],
        start: Mixture,
        *,
        tau: float,
        zero_prior: GammaPrior,
        prior: GammaPrior,
        name: str,
    ) -> None:
        super().__init__(name=name)
        self._weights_of_others = lambda: weights  # as an attribute they would be this layer's own
        self._tau = tau
        self._zero_log_share = float(start.log_shares[0])
        others = len(start.means) - 1
        shapes, rates = np.array([zero_prior] + [prior] * others, np.float32).T
        self._gamma_priors = (shapes, rates)

        def variable(label: str, values: np.ndarray) -> Any:
            initial = keras.initializers.Constant(np.asarray(values, np.float32))
            return self.add_weight(name=label, shape=values.shape, initializer=initial)

        self.means = variable("means", start.means[1:])
        self.log_precisions = variable("log_precisions", -2 * np.log(start.deviations))
        self.logits = variable("logits", start.log_shares[1:])

    def call(self, inputs: Any) -> Any:
        """Add the loss."""
        flat = tensorflow.concat([tensorflow.reshape(weight, [-1]) for weight in self._weights_of_others()], 0)
        means, log_precisions, log_shares = self._parameters()
        shapes, rates = self._gamma_priors
        complexity = _negative_log_likelihood(flat, means, log_precisions, log_shares)
        complexity -= tensorflow.reduce_sum((shapes - 1.0) * log_precisions - rates * tensorflow.exp(log_precisions))
        self.add_loss(self._tau / int(flat.shape[0]) * complexity)
        return tensorflow.identity(inputs)

    def mixture(self) -> Mixture:
        """Return the mixture as it is now."""
        means, log_precisions, log_shares = (np.asarray(part, np.float64) for part in self._parameters())
        return Mixture(log_shares, means, np.exp(-0.5 * log_precisions))

    def settle(self, share: float) -> None:
        """Move the `share` of the weights that are nearest to the means of their components onto these."""
        parameters = self._parameters()
        weights = self._weights_of_others()
        assigned = [_assigned(tensorflow.convert_to_tensor(weight), *parameters).numpy() for weight in weights]
        distances = [np.abs(weight.numpy() - mean) for weight, mean in zip(weights, assigned, strict=True)]
        every = np.concatenate([distance.ravel() for distance in distances])
        count = round(share * every.size)
        reach = np.partition(every, count - 1)[count - 1] if count else -1.0
        for weight, mean, distance in zip(weights, assigned, distances, strict=True):
            weight.assign(np.where(distance <= reach, mean, weight.numpy()))

    def _parameters(self) -> tuple[Tensor, Tensor, Tensor]:
        to_tensor = tensorflow.convert_to_tensor
        means = tensorflow.concat([[0.0], to_tensor(self.means)], 0)
        others = float(np.log1p(-np.exp(self._zero_log_share))) + tensorflow.nn.log_softmax(to_tensor(self.logits))
        return means, to_tensor(self.log_precisions), tensorflow.concat([[self._zero_log_share], others], 0)


@tensorflow.custom_gradient
def _negative_log_likelihood(*parameters: Tensor) -> tuple[Tensor, Any]:
    loss, gradients = _loss_and_gradients(*parameters)
    return loss, lambda upstream: [upstream * gradient for gradient in gradients]


@tensorflow.function(jit_compile=True)  # fused with its gradient, it keeps no array of weights x components
def _loss_and_gradients(flat: Tensor, means: Tensor, log_precisions: Tensor, log_shares: Tensor) -> tuple[Tensor, Any]:
    parameters = (flat, means, log_precisions, log_shares)
    with tensorflow.GradientTape() as tape:
        tape.watch(parameters)
        logs = _log_densities(*parameters)
        loss = -tensorflow.reduce_sum(tensorflow.reduce_logsumexp(logs, axis=1))
    return loss, tape.gradient(loss, parameters)


@tensorflow.function(jit_compile=True)
def _assigned(weights: Tensor, means: Tensor, log_precisions: Tensor, log_shares: Tensor) -> Tensor:
    logs = _log_densities(tensorflow.reshape(weights, [-1]), means, log_precisions, log_shares)
    return tensorflow.reshape(tensorflow.gather(means, tensorflow.argmax(logs, axis=1)), weights.shape)


def _log_densities(flat: Tensor, means: Tensor, log_precisions: Tensor, log_shares: Tensor) -> Tensor:
    squares = tensorflow.exp(log_precisions) * tensorflow.square(flat[:, None] - means)
    return log_shares + 0.5 * (log_precisions - np.float32(np.log(2 * np.pi)) - squares)
