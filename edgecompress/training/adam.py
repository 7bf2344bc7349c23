"""Adam by TensorFlow's fused kernel: one operation a variable, where Keras's optimizers compose it of some forty."""

from __future__ import annotations

from collections.abc import Sequence

from edgecompress.environment import load_tensorflow
from edgecompress.keras_types import Tensor, Variable

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Keras's own defaults


class Adam:
    """Moves each variable w by its gradient g, at step t = 1, 2, ..., and then holds it to its constraint.

    `m += (g - m) (1 - b1)`, `v += (g^2 - v) (1 - b2)`, `w -= rate sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps)`;
    the rate is the learning rate times that of the variable. Kingma and Ba, arXiv:1412.6980, end of section 2.
    """

    def __init__(self, variables: Sequence[Variable], rates: Sequence[float]) -> None:
        tensorflow = load_tensorflow()
        self.trained = list(variables)
        self._rates = list(rates)
        self._moments = [
            [tensorflow.Variable(tensorflow.zeros(each.shape, each.dtype)) for each in variables] for _ in range(2)
        ]
        self._steps = tensorflow.Variable(0, dtype=tensorflow.int64)

    @property
    def variables(self) -> list[Variable]:
        """Its own: how many steps were taken, and the moments."""
        return [self._steps, *self._moments[0], *self._moments[1]]

    def apply(self, gradients: Sequence[Tensor | None], *, learning_rate: Tensor) -> None:
        """Take a step, in a graph; a variable without a gradient has no part in what is minimized, and stays."""
        tensorflow = load_tensorflow()
        number = tensorflow.cast(self._steps.assign_add(1), tensorflow.float32)
        scalars = tensorflow.pow(BETA_1, number), tensorflow.pow(BETA_2, number), learning_rate
        for variable, rate, first, second, gradient in zip(
            self.trained, self._rates, *self._moments, gradients, strict=True
        ):
            if gradient is None:
                continue
            beta_1_power, beta_2_power, of_all = (tensorflow.cast(each, first.dtype) for each in scalars)
            tensorflow.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=beta_1_power,
                beta2_power=beta_2_power,
                lr=rate * of_all,
                beta1=BETA_1,
                beta2=BETA_2,
                epsilon=EPSILON,
                grad=tensorflow.convert_to_tensor(gradient),  # that of a gather is slices
            )
            if variable.constraint is not None:
                variable.assign(variable.constraint(tensorflow.convert_to_tensor(variable)))
