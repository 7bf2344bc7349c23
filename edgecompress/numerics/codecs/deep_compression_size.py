"""What a network takes by the three stages of Deep Compression: pruned, quantized, coded.

Every part is counted: fillers, codebooks, code-length tables and biases. Han et al., arXiv:1510.00149, sections 2 to 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np

from edgecompress.numerics.codecs import huffman, relative_index

FLOAT_BITS = 32
TABLE_ENTRY_BITS = 8  # the length of one symbol's code
GAP_BITS = range(1, 17)


@dataclass(frozen=True)
class DeepCompressionSize:
    """Counts and bits of one layer, or their sums over a network.

    With z non-zeros, f fillers, gaps of g bits and k codebook entries, the distinct non-zeros and, where there are
    fillers, zero:

        dense      32 (weights + biases)
        pruned     (z + f) (32 + g) + 32 biases
        quantized  (z + f) (ceil(log2 k) + g) + 32 k + 32 biases
        coded      Huffman bits of the z + f indices and of the z + f gaps + 8 bits a symbol of both code-length tables
                   + 32 k + 32 biases

    The table of the gaps ends at the largest gap that occurs, that of the indices has k lengths. The shapes and gap
    bits of the layers, a few bytes each, are a container's affair and not counted.
    """

    weights: int = 0
    biases: int = 0
    nonzeros: int = 0
    fillers: int = 0
    gap_bits: int = 0  # of all gaps together
    index_bits: int = 0  # of all indices together
    codebook_bits: int = 0
    coded_gap_bits: int = 0
    coded_index_bits: int = 0
    table_bits: int = 0

    @property
    def bias_bits(self) -> int:
        """Bits of the biases, which no stage compresses."""
        return FLOAT_BITS * self.biases

    @property
    def dense_bits(self) -> int:
        """Bits of the network as it was, in float32."""
        return FLOAT_BITS * (self.weights + self.biases)

    @property
    def pruned_bits(self) -> int:
        """Bits with the non-zeros in float32; a filler stores a zero like any value."""
        return FLOAT_BITS * (self.nonzeros + self.fillers) + self.gap_bits + self.bias_bits

    @property
    def quantized_bits(self) -> int:
        """Bits with indices and gaps of fixed width."""
        return self.index_bits + self.gap_bits + self.codebook_bits + self.bias_bits

    @property
    def coded_bits(self) -> int:
        """Bits with indices and gaps in Huffman codes."""
        streams = self.coded_index_bits + self.coded_gap_bits + self.table_bits
        return streams + self.codebook_bits + self.bias_bits

    @property
    def ratios(self) -> tuple[float, float, float]:
        """How many times smaller than dense: pruned, quantized, coded; infinite where nothing is left."""
        stages = (self.pruned_bits, self.quantized_bits, self.coded_bits)
        pruned, quantized, coded = (self.dense_bits / bits if bits else float("inf") for bits in stages)
        return pruned, quantized, coded


def layer_size(kernel: np.ndarray, *, gap_bits: int, biases: int = 0) -> DeepCompressionSize:
    """Count one layer: zeros of `kernel` are pruned, its distinct non-zeros are the codebook, in C order.

    The paper takes gaps of 8 bits for convolutions and 5 for dense layers.

    Raises:
        ValueError: `gap_bits` is not in 1..32.
    """
    index = relative_index.encode(kernel.ravel(), gap_bits=gap_bits)
    codebook, symbols = np.unique(index.entries, return_inverse=True)
    coded_indices, index_table = _coded_bits(symbols)
    coded_gaps, gap_table = _coded_bits(index.skips)
    return DeepCompressionSize(
        weights=kernel.size,
        biases=biases,
        nonzeros=index.entries.size - index.filler_count,
        fillers=index.filler_count,
        gap_bits=index.entries.size * gap_bits,
        index_bits=index.entries.size * max(codebook.size - 1, 0).bit_length(),
        codebook_bits=FLOAT_BITS * codebook.size,
        coded_gap_bits=coded_gaps,
        coded_index_bits=coded_indices,
        table_bits=index_table + gap_table,
    )


def network_size(layers: Iterable[DeepCompressionSize]) -> DeepCompressionSize:
    """Return the sums over the layers."""
    sizes = list(layers)
    names = [field.name for field in fields(DeepCompressionSize)]
    return DeepCompressionSize(**{name: sum(getattr(size, name) for size in sizes) for name in names})


def smallest_gap_bits(kernel: np.ndarray) -> int:
    """Return the gap bits, of 1..16, with the fewest coded bits: few make fillers, many make wide gaps."""
    return min(GAP_BITS, key=lambda bits: layer_size(kernel, gap_bits=bits).coded_bits)


def _coded_bits(symbols: np.ndarray) -> tuple[int, int]:
    """Return the bits of a stream in Huffman codes, and those of its code lengths."""
    counts = np.bincount(symbols)
    lengths = huffman.code_lengths(counts)
    return int(counts @ lengths), TABLE_ENTRY_BITS * lengths.size
