from __future__ import annotations

import numpy as np
import pytest

from edgecompress.numerics.codecs import huffman, relative_index
from edgecompress.numerics.codecs.bit_packing import pack_bits
from edgecompress.numerics.codecs.deep_compression_size import layer_size, network_size, smallest_gap_bits


def worked_kernel() -> np.ndarray:
    kernel = np.zeros((4, 4), np.float32)
    kernel.flat[[1, 4, 15]] = [3.5, 0.5, 3.5]
    return kernel


def test_worked_by_hand() -> None:
    # zeros skipped 1, 2, 7 (filler), 2 and values 3.5, .5, 0 (filler), 3.5: 4 entries, 3 codebook values
    size = layer_size(worked_kernel(), gap_bits=3, biases=2)
    assert (size.weights, size.biases, size.nonzeros, size.fillers) == (16, 2, 3, 1)
    assert size.dense_bits == 18 * 32
    assert size.pruned_bits == 4 * (32 + 3) + 64
    assert size.quantized_bits == 4 * (2 + 3) + 3 * 32 + 64
    # both streams have counts 1, 1, 2 and so codes of 2, 2, 1 bits; tables of skips 0..7 and of 3 values, a byte each
    assert size.coded_bits == 6 + 6 + 8 * (8 + 3) + 3 * 32 + 64
    assert size.ratios == (576 / 204, 576 / 180, 576 / 260)


def test_without_fillers_zero_is_no_codebook_entry() -> None:
    size = layer_size(worked_kernel(), gap_bits=4)
    assert size.fillers == 0
    assert size.quantized_bits == 3 * (1 + 4) + 2 * 32


@pytest.mark.parametrize("gap_bits", [2, 5, 8])
def test_every_part_is_what_the_codecs_write(gap_bits: int) -> None:
    generator = np.random.default_rng(gap_bits)
    kernel = generator.choice(generator.normal(size=30).astype(np.float32), 20_000) * (generator.random(20_000) < 0.08)
    size = layer_size(kernel, gap_bits=gap_bits)
    index = relative_index.encode(kernel, gap_bits=gap_bits)
    codebook, symbols = np.unique(index.entries, return_inverse=True)
    written = [len(pack_bits(index.skips, bits=gap_bits)), len(pack_bits(symbols, bits=5)), codebook.nbytes]
    counted = [size.gap_bits, size.index_bits, size.codebook_bits]
    for stream, bits in ((symbols, size.coded_index_bits), (index.skips, size.coded_gap_bits)):
        written.append(len(huffman.encode(stream, huffman.code_lengths(np.bincount(stream)))))
        counted.append(bits)
    assert written == [-(-bits // 8) for bits in counted]


def test_a_network_is_the_sum_of_its_layers() -> None:
    first = layer_size(worked_kernel(), gap_bits=3, biases=2)
    second = layer_size(np.zeros((3, 3), np.float32), gap_bits=5)
    network = network_size([first, second])
    assert second.coded_bits == second.quantized_bits == second.pruned_bits == 0
    assert second.ratios == (float("inf"),) * 3
    assert network.dense_bits == first.dense_bits + 9 * 32
    assert network.coded_bits == first.coded_bits


def test_the_smallest_gap_bits() -> None:
    sparse = np.zeros(100_000, np.float32)
    sparse[::500] = 1.0
    dense = np.resize(np.array([1.0, 2.0], np.float32), 1000)
    assert smallest_gap_bits(dense) == 1
    coded = [layer_size(sparse, gap_bits=bits).coded_bits for bits in range(1, 17)]
    # steps of 500 make 249 fillers each at 1 bit, and a table of 500 bytes at 9 bits and more
    assert 1 < smallest_gap_bits(sparse) < 9
    assert coded[smallest_gap_bits(sparse) - 1] == min(coded)
