"""Quantized-CNN: product quantization that keeps a layer's responses, not its weights.

Wu et al., Quantized Convolutional Neural Networks for Mobile Devices, arXiv:1512.06473, section 3.
"""

from __future__ import annotations

import numpy as np

from edgecompress.errors import MethodError
from edgecompress.numerics.generated.vector_codebook import VectorCodebook, product_quantization

RIDGE = 0.1  # weight of the weights' own error, relative to what an input of average power gives theirs in responses


def quantize_with_correction(
    weights: np.ndarray,
    inputs: np.ndarray,
    quantized_inputs: np.ndarray,
    *,
    spaces: int,
    words: int,
    seed: int,
    sweeps: int,
) -> VectorCodebook:
    """Return a codebook of `weights.T` with a small `|X W - Xq W^|^2`, never more than plain product quantization has.

    `weights` W is [in, out], cut along its inputs; `inputs` X [samples, in] are the layer's in the original network,
    `quantized_inputs` Xq those behind the layers already quantized, so that the errors of these are corrected too. What
    is minimized is

        |X W - Xq W^|^2 + r |W - W^|^2,   r = RIDGE trace(Xq^T Xq) / in

    The second term, not in the paper, decides where the first is nearly blind: for inputs that hardly vary, or vary
    together, any weights with the right sum would do, of whatever size. There it asks for the words of plain product
    quantization, which are the means of their members. Of space p, with all others fixed, column j with word d costs,
    up to a constant,

        d^T G d - 2 b_j^T d,   G = Xq_p^T Xq_p + r I,   b_j = Xq_p^T (X W - sum_{q != p} Xq_q W^_q)_j + r (W_p)_j

    A sweep visits every space: each word becomes the least-squares answer for its members, `G d = mean b_j`, each
    column takes its cheapest word, and the words are fitted once more. Starts from plain product quantization P, and
    no visit raises the sum, so that `|W - W^|^2 <= |W - P|^2 + |X W - Xq P|^2 / r`. Computes in float64, with a matrix
    of [in, in] in memory.

    Raises:
        MethodError: the shapes do not fit each other, or the inputs cannot be cut into these spaces.
    """
    if not inputs.shape == quantized_inputs.shape == (len(inputs), len(weights)) or sweeps < 0:
        raise MethodError(
            f"Weights {list(weights.shape)} do not fit inputs {list(inputs.shape)} and {list(quantized_inputs.shape)}, "
            f"or {sweeps} sweeps are fewer than none.",
            hint="Use inputs [samples, in] of the same samples, and weights [in, out].",
        )
    plain = product_quantization(weights.T, spaces=spaces, words=words, seed=seed)
    received = quantized_inputs.astype(np.float64)
    gram = received.T @ received
    exact = weights.astype(np.float64)
    target = received.T @ (inputs.astype(np.float64) @ exact)
    ridge = RIDGE * float(np.trace(gram)) / len(gram)
    gram[np.diag_indices_from(gram)] += ridge
    target += ridge * exact
    books, indices = plain.codebooks[0].astype(np.float64), plain.indices[0].astype(np.int64)
    decoded = plain.decode().T.astype(np.float64)
    for _ in range(sweeps):
        for space, part in enumerate(np.split(np.arange(len(weights)), spaces)):
            own = gram[np.ix_(part, part)]
            wanted = target[part] - gram[part] @ decoded + own @ decoded[part]
            books[space] = _refitted(books[space], indices[space], own, wanted)
            indices[space] = _cheapest(books[space], own, wanted)
            books[space] = _refitted(books[space], indices[space], own, wanted)
            decoded[part] = books[space][indices[space]].T
    corrected = VectorCodebook(books[None].astype(np.float32), indices[None].astype(plain.indices.dtype))
    # the sweeps never raise the sum, but may raise the error of the responses in it, as may rounding to float32
    return min(plain, corrected, key=lambda codebook: response_error(weights, codebook, inputs, quantized_inputs))


def response_error(
    weights: np.ndarray, codebook: VectorCodebook, inputs: np.ndarray, quantized_inputs: np.ndarray
) -> float:
    """Return `|X W - Xq W^|^2` in float64, with W^ the transposed matrix of `codebook`."""
    wanted = inputs.astype(np.float64) @ weights.astype(np.float64)
    found = quantized_inputs.astype(np.float64) @ codebook.decode().T.astype(np.float64)
    return float(np.square(wanted - found).sum())


def _cheapest(words: np.ndarray, own: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the word with the smallest cost for each column of `wanted` [length, out]."""
    quadratic = np.einsum("wi,ij,wj->w", words, own, words, optimize=True)
    return np.argmin(quadratic[:, None] - 2 * words @ wanted, axis=0)


def _refitted(words: np.ndarray, indices: np.ndarray, own: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the least-squares words; one without members stays."""
    counts = np.bincount(indices, minlength=len(words))
    members = np.zeros((len(words), indices.size))
    members[indices, np.arange(indices.size)] = 1 / counts[indices]
    missing = members @ wanted.T - words @ own
    step = np.linalg.lstsq(own, missing.T)[0].T
    return np.where(counts[:, None] > 0, words + step, words)
