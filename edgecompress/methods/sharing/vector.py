"""Vector quantization: parts of a kernel's columns become words of a codebook; nothing is trained."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgecompress.environment import load_keras
from edgecompress.errors import MethodError
from edgecompress.keras_bridge.graph import copy_model
from edgecompress.keras_types import Layer
from edgecompress.methods.eligible import pick
from edgecompress.methods.protocol import Constraint, Context, Kept, Model, Outcome, Prepared, Traits
from edgecompress.methods.step import Step, option
from edgecompress.numerics.generated import Generated
from edgecompress.numerics.generated.vector_codebook import VectorCodebook, product_quantization, residual_quantization
from edgecompress.values import LayerNote

QUANTIZED = "vector-quantized"
BITS = 32  # of a weight


@dataclass(frozen=True)
class VectorStep(Step):
    """What vector quantizers have in common: a kernel is a matrix [inputs, outputs], of which they keep codebooks."""

    traits: ClassVar[Traits] = Traits(trains=False, makes=(Kept.WORDS,))

    words: int = option(32, "of each codebook")
    seed: int = option(0, "of k-means")

    def __post_init__(self) -> None:
        """Raise `MethodError` for figures out of range."""
        self._require(words=self.words)
        if self.seed < 0:
            raise MethodError(f"{self.name} got seed {self.seed}.", hint="Use a seed of at least 0.")

    def prepare(self, model: Model, context: Context) -> Prepared:
        """Say which kernels are to be quantized."""
        _, notes = pick(
            model,
            context.chosen,
            lambda layer: _no_matrix(layer) or self._unfit(*_matrix(layer).shape),
            action=QUANTIZED,
            hint="Choose other layers, fewer words, or a length that divides their inputs.",
        )
        return Prepared(copy_model(model), model, (), notes)

    def finalize(self, prepared: Prepared, context: Context) -> Outcome:
        """Replace each kernel, in the order of the network, by what its codebook decodes to."""
        generators: dict[str, Generated] = {}
        notes = []
        for note in prepared.notes:
            if note.action == QUANTIZED:
                layer = prepared.model.get_layer(note.layer)
                codebook = self.codebook(prepared, context, layer)
                generators[note.layer] = codebook
                before = _matrix(layer)
                after = codebook.decode().T
                layer.kernel.assign(after.reshape(layer.kernel.shape))
                note = LayerNote(note.layer, note.action, note.reason, _figures(before, after, codebook))
            notes.append(note)
        made = Constraint(Kept.WORDS, tuple(generators))
        return Outcome(model=prepared.model, notes=tuple(notes), constraints=(made,), generators=generators)

    @abstractmethod
    def codebook(self, prepared: Prepared, context: Context, layer: Layer) -> VectorCodebook:
        """Return the codebook of a layer's kernel, transposed to [outputs, inputs]."""

    @abstractmethod
    def _unfit(self, inputs: int, outputs: int) -> str:
        """Return why a kernel of this size is left alone, or ''."""

    def _require(self, **figures: int) -> None:
        wrong = ", ".join(f"{option} {value}" for option, value in figures.items() if value < 1)
        if wrong:
            raise MethodError(f"{self.name} got {wrong}.", hint="Use at least 1.")


@dataclass(frozen=True)
class ProductQuantization(VectorStep):
    """Cut the columns of each kernel into vectors of `length`, and replace these by words of a codebook a stretch.

    `w_j^(p) <- c_a(p,j)^(p)`, with k-means on the p-th stretches of all outputs j: of 32 bits a weight
    `log2(words) / length` remain, and the codebooks. Gong et al., arXiv:1412.6115, section 3.2.
    """

    name: ClassVar[str] = "product_quantization"
    paper: ClassVar[str] = "Gong et al. 2014, arXiv:1412.6115"
    summary: ClassVar[str] = "parts of columns become words of codebooks, by k-means"

    length: int = option(4, "weights a word, along the inputs")

    def __post_init__(self) -> None:
        """Raise `MethodError` for figures out of range."""
        super().__post_init__()
        self._require(length=self.length)

    def codebook(self, prepared: Prepared, context: Context, layer: Layer) -> VectorCodebook:
        """Return the words nearest to the weights."""
        matrix = _matrix(layer)
        return product_quantization(matrix.T, spaces=len(matrix) // self.length, words=self.words, seed=self.seed)

    def _unfit(self, inputs: int, outputs: int) -> str:
        if inputs % self.length:
            return f"{inputs} inputs are not a multiple of {self.length}"
        return f"{outputs} outputs are no more than {self.words} words" if outputs <= self.words else ""


@dataclass(frozen=True)
class ResidualQuantization(VectorStep):
    """Replace whole columns of each kernel by a word, and what is left of them by another, `stages` times.

    `w_j <- sum_t c_a(t,j)^(t)`, with k-means on `w_j` less the words of the stages before.
    Gong et al., arXiv:1412.6115, section 3.2.
    """

    name: ClassVar[str] = "residual_quantization"
    paper: ClassVar[str] = "Gong et al. 2014, arXiv:1412.6115"
    summary: ClassVar[str] = "columns become sums of words of codebooks, by k-means on what is left"

    stages: int = option(2, "codebooks")

    def __post_init__(self) -> None:
        """Raise `MethodError` for figures out of range."""
        super().__post_init__()
        self._require(stages=self.stages)

    def codebook(self, prepared: Prepared, context: Context, layer: Layer) -> VectorCodebook:
        """Return the words nearest to the weights, and to what is left of them."""
        return residual_quantization(_matrix(layer).T, stages=self.stages, words=self.words, seed=self.seed)

    def _unfit(self, inputs: int, outputs: int) -> str:
        words = self.stages * self.words
        return f"{outputs} outputs are no more than {words} words" if outputs <= words else ""


def _matrix(layer: Layer) -> np.ndarray:
    kernel = layer.kernel.numpy()
    return kernel.reshape(-1, kernel.shape[-1])


def _no_matrix(layer: Layer) -> str:
    layers = load_keras().layers
    if type(layer) not in (layers.Dense, layers.Conv2D) or getattr(layer, "groups", 1) != 1:
        return f"the kernel of this {type(layer).__name__} is no matrix of inputs and outputs"
    return ""


def _figures(before: np.ndarray, after: np.ndarray, codebook: VectorCodebook) -> dict[str, float]:
    error = float(np.sum((before - after) ** 2, dtype=np.float64) / max(np.sum(before**2, dtype=np.float64), 1e-30))
    return {"bits_per_weight": round(codebook.size_bits / before.size, 3), "relative_error": round(error, 4)}
