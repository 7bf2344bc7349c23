"""Soft weight-sharing: retraining under a mixture prior, which makes weights gather at a few values and at zero."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from edgecompress.environment import load_keras
from edgecompress.errors import MethodError
from edgecompress.keras_bridge.graph import copy_model
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.methods.eligible import pick, require_one_input
from edgecompress.methods.protocol import Context, Kept, Model, Outcome, Prepared, Traits
from edgecompress.methods.sharing.bias_correction import correct_biases
from edgecompress.methods.sharing.notes import SHARED, shared_outcome
from edgecompress.methods.step import Step, option
from edgecompress.numerics.mixture import Mixture, assign

PRIOR = "mixture_prior"  # the layer that the training model has beside those of the network

STILL_LEARNING = 1 / 3  # share of the settling time in which all weights are settled


@dataclass(frozen=True)
class SoftWeightSharing(Step):
    """Retrain under a mixture of normal distributions, then give each weight the mean of its component.

    `L = CE + tau / n [-sum_i ln sum_j pi_j N(w_i | mu_j, 1 / gamma_j) - sum_j ln Gamma(gamma_j | a_j, b_j)]`, one
    mixture for the n weights of all kernels, trained with them. mu_0 = 0 and pi_0 are fixed: that component prunes.
    Afterwards components that became the same are merged, and `w_i <- mu_j` with the largest `pi_j N(w_i | ...)`.
    Ullrich et al., arXiv:1702.04008.

    Beyond the paper, which divides by the number of images instead of n, weights settle before they are assigned: in
    the last `settling` of the training, t going from 0 to 1, the share `1 - (1 - t)^3` of them that is nearest to its
    means is put there after every step, while the others, means and biases learn to make up for it; in the last third
    of that time only means and biases do. What is lost all the same is taken back by biases, as far as it has a mean
    (`bias_correction`).

    The means learn `means_rate` times as fast as the weights, precisions and shares `spreads_rate` times as fast.
    """

    name: ClassVar[str] = "soft_weight_sharing"
    paper: ClassVar[str] = "Ullrich et al. 2017, arXiv:1702.04008"
    summary: ClassVar[str] = "weights gather at zero and at a few values, under a learned mixture prior"
    traits: ClassVar[Traits] = Traits(makes=(Kept.ZEROS, Kept.SHARED_VALUES))

    components: int = option(16, "of the mixture, that of the zeros included")
    zero_share: float = option(0.99, "pi_0")
    tau: float = option(0.3, "strength of the prior")
    settling: float = option(0.4, "share of the training, at its end, in which weights are put onto means")
    deviation: float = option(0.25, "of each component at first")
    zero_prior: tuple[float, float] = option((5e3, 2.0), "shape and rate of the Gamma prior of the zeros' precision")
    prior: tuple[float, float] = option((250.0, 0.1), "and of the others'")
    means_rate: float = option(0.2, "learning rate relative to the weights'")
    spreads_rate: float = option(6.0, "learning rate of precisions and shares, relative to the weights'")
    merge_below: float = option(1e-10, "divergence of two components that count as one")
    images: int = option(1024, "of the training split, on which biases are corrected; 0 leaves biases as they are")

    def __post_init__(self) -> None:
        """Raise `MethodError` for figures outside their range."""
        positive = {
            "tau": self.tau,
            "deviation": self.deviation,
            "zero_prior": min(self.zero_prior),
            "prior": min(self.prior),
            "means_rate": self.means_rate,
            "spreads_rate": self.spreads_rate,
        }
        wrong = [f"{option} {value:g}" for option, value in positive.items() if not value > 0]
        if self.components < 2:
            wrong.append(f"components {self.components}")
        if not 0 < self.zero_share < 1:
            wrong.append(f"zero_share {self.zero_share:g}")
        if not 0 < self.settling <= 1:
            wrong.append(f"settling {self.settling:g}")
        if self.images < 0:
            wrong.append(f"images {self.images}")
        if wrong:
            raise MethodError(
                f"{self.name} got {', '.join(wrong)}.",
                hint="It needs 2 components or more, a zero_share within (0, 1), and positive figures otherwise.",
            )

    def requires(self, model: Model) -> None:
        """Refuse to correct biases of what images say nothing of."""
        if self.images:
            require_one_input(self.name, model, hint="With images 0 it leaves biases as they are, and needs none.")

    def prepare(self, model: Model, context: Context) -> Prepared:
        """Let the outputs pass through a layer that adds the loss of all chosen kernels."""
        from edgecompress.layers.mixture_prior import MixturePrior
        from edgecompress.methods.sharing.settling import Settling

        work = copy_model(model)
        layers, notes = pick(work, context.chosen, lambda layer: "", action=SHARED)
        weights = [kernel for layer in layers for kernel in kernels(layer)]
        prior = MixturePrior(
            weights,
            self._start(weights),
            tau=self.tau,
            zero_prior=self.zero_prior,
            prior=self.prior,
            name=PRIOR,
        )
        first, *others = work.outputs
        outputs = [prior(first), *others]
        trained = load_keras().Model(work.input, outputs if others else outputs[0], name=model.name)
        first_settled = round(context.optimizer_steps * (1 - self.settling))
        all_settled = round(context.optimizer_steps * (1 - self.settling * STILL_LEARNING))
        settling = Settling(prior, first=first_settled, last=all_settled)
        rates = [(prior.means, self.means_rate)]
        rates += [(spread, self.spreads_rate) for spread in (prior.log_precisions, prior.logits)]
        return Prepared(trained, model, (settling,), notes, rates=tuple(rates))

    def finalize(self, prepared: Prepared, context: Context) -> Outcome:
        """Return the plain layers, with the mean of its component for each weight, and biases that make up for it."""
        mixture = prepared.model.get_layer(PRIOR).mixture().merged(self.merge_below)
        plain = copy_model(prepared.source)
        shared = {note.layer for note in prepared.notes if note.action == SHARED}
        for layer in plain.layers:
            if layer.weights:
                layer.set_weights(prepared.model.get_layer(layer.name).get_weights())
            for kernel in kernels(layer) if layer.name in shared else ():
                kernel.assign(assign(kernel.numpy(), mixture).decode())
        left: dict[str, str] = {}
        if self.images:
            (images,) = context.samples(self.images)
            left = correct_biases(prepared.model, plain, shared, images)
        notes = [replace(note, reason=left.get(note.layer, note.reason)) for note in prepared.notes]
        return shared_outcome(plain, notes, zeros=True)

    def _start(self, weights: list[Any]) -> Mixture:
        """Return components of equal shares and widths, with means at even steps of the weights' range."""
        others = self.components - 1
        low = min(float(weight.numpy().min()) for weight in weights)
        high = max(float(weight.numpy().max()) for weight in weights)
        return Mixture(
            np.log([self.zero_share] + [(1 - self.zero_share) / others] * others),
            np.append(0.0, np.linspace(low, high, others)),
            np.full(self.components, self.deviation),
        )
