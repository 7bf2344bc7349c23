"""Iterative pruning: remove the smallest weights, train the rest, and again."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from edgecompress.errors import MethodError
from edgecompress.keras_bridge.kernels import kernel_zeros, kernels
from edgecompress.methods.eligible import pick
from edgecompress.methods.patterns import require_match, require_pattern
from edgecompress.methods.protocol import Constraint, Context, Kept, Model, Outcome, Prepared, Traits
from edgecompress.methods.pruning.connections import PRUNED, share, unprunable
from edgecompress.methods.pruning.dropout import with_following_dropout, with_plain_dropout
from edgecompress.methods.pruning.rounds import due
from edgecompress.methods.shares import require_share
from edgecompress.methods.step import Step, option
from edgecompress.values import LayerNote


@dataclass(frozen=True)
class IterativePruning(Step):
    """Train in `rounds`, each of which first removes the weights below a threshold for good, and then trains the rest.

    The rounds begin at equal distances in the first half of the training; the other half is the last one's.
    By `sparsity`: after round r of R the share of zeros in a kernel is `1 - (1 - s)^(r/R)`, so that each round removes
    the same share of what is left. By `quality`, if given: in round r go the weights with `|w| < (r/R) q sigma`, sigma
    the standard deviation of the kernel's connections when pruning began. Zeros that are there stay.
    A dropout follows the number of connections C that it feeds into, `D_r = D_o sqrt(C_r / C_o)`.

    Han et al., Learning both Weights and Connections for Efficient Neural Networks, arXiv:1506.02626.
    """

    name: ClassVar[str] = "iterative_pruning"
    paper: ClassVar[str] = "Han et al. 2015, arXiv:1506.02626"
    summary: ClassVar[str] = "remove the smallest weights for good, train the rest, and again"
    traits: ClassVar[Traits] = Traits(makes=(Kept.ZEROS,), keeps=(Kept.ZEROS,), joins=True)

    sparsity: float = option(0.8, "share of zeros in each kernel at the end, in [0, 1)")
    sparsities: dict[str, float] = option({}, "pattern of layer names: sparsity; the first match wins")
    quality: float = option(0.0, "above 0, instead of sparsities: the threshold in standard deviations")
    qualities: dict[str, float] = option({}, "pattern of layer names: quality; the first match wins")
    rounds: int = option(4, "how often the smallest are removed")

    def __post_init__(self) -> None:
        """Raise `MethodError` for figures outside their range, and for two ways at once."""
        for figure in (self.sparsity, *self.sparsities.values()):
            require_share(self.name, sparsity=figure, hint="0.9 zeroes nine of ten weights, 0 none.")
        for figure in (self.quality, *self.qualities.values()):
            if not 0.0 <= figure < math.inf:
                raise MethodError(f"{self.name} got quality {figure}.", hint="Around 1 is usual; 0 prunes nothing.")
        if (self.qualities and not self.quality) or (self.sparsities and self.quality):
            raise MethodError(
                f"{self.name} got sparsities {self.sparsities}, quality {self.quality} and qualities {self.qualities}.",
                hint="Use sparsity and sparsities, or quality (above 0) and qualities.",
            )
        if self.rounds < 1:
            raise MethodError(f"{self.name} got rounds {self.rounds}.", hint="Use at least 1; 4 is usual.")
        for pattern in (*self.sparsities, *self.qualities):
            require_pattern(pattern, f"{self.name}, for a layer,")

    def in_round(self, number: int, rounds: int) -> Self:
        """Return the method that removes, in each round, the same share of what is left."""
        return replace(
            self,
            sparsity=due(self.sparsity, number, rounds),
            sparsities={layers: due(share, number, rounds) for layers, share in self.sparsities.items()},
            quality=self.quality * number / rounds,
            qualities={layers: quality * number / rounds for layers, quality in self.qualities.items()},
        )

    def requires(self, model: Model) -> None:
        """Refuse a pattern that matches no layer."""
        for pattern in (*self.sparsities, *self.qualities):
            require_match(pattern, self.name, model)

    def prepare(self, model: Model, context: Context) -> Prepared:
        """Return the model with the callback that prunes every chosen kernel."""
        from edgecompress.methods.pruning.masking import MaskedKernel, PruningRounds

        layers, notes = pick(
            model,
            context.chosen,
            lambda layer: unprunable(layer) or ("" if self._figure(layer.name) else "nothing is to be removed"),
            action=PRUNED,
        )
        masked = [
            MaskedKernel(kernel, self._removal(layer.name, kernel)) for layer in layers for kernel in kernels(layer)
        ]
        followed, dropouts = with_following_dropout(model)
        rounds = PruningRounds(masked, dropouts, rounds=self.rounds, optimizer_steps=context.optimizer_steps)
        return Prepared(followed, model, (rounds,), notes)

    def finalize(self, prepared: Prepared, context: Context) -> Outcome:
        """Put plain dropouts back; the zeros become a constraint."""
        model = with_plain_dropout(prepared.model)
        found = {layer.name: layer for layer in model.layers}
        notes = [
            LayerNote(note.layer, note.action, note.reason, {"sparsity": round(kernel_zeros(found[note.layer]), 4)})
            for note in prepared.notes
        ]
        for before in prepared.source.layers:
            after = found[before.name]
            if getattr(before, "rate", None) != getattr(after, "rate", None):
                figures = {"rate": after.rate, "rate_before": before.rate}
                notes.append(LayerNote(before.name, "rescaled", "fewer connections behind it", figures))
        pruned = tuple(note.layer for note in notes if note.action == PRUNED)
        return Outcome(model=model, notes=tuple(notes), constraints=(Constraint(Kept.ZEROS, pruned),))

    def _figure(self, layer: str) -> float:
        """Return the layer's quality or sparsity."""
        table, default = (self.qualities, self.quality) if self.quality else (self.sparsities, self.sparsity)
        return next((figure for pattern, figure in table.items() if re.fullmatch(pattern, layer)), default)

    def _removal(self, layer: str, kernel: Any) -> Callable[[np.ndarray, int], int]:
        """Return how many weights of a kernel are to be zero in a round, from 1 on."""
        figure = self._figure(layer)
        start = np.asarray(kernel)
        if not self.quality:
            return lambda values, begun: share(values, due(figure, begun, self.rounds))
        threshold = figure * float(np.std(start[start != 0])) if start.any() else 0.0
        return lambda values, begun: int(np.count_nonzero(np.abs(values) < begun / self.rounds * threshold))
