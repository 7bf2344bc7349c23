/* AVX-512 without a popcount instruction: 64 channels in the bytes of a register, four bits of a pixel at once.

   The pixel's four bits choose a table of sixteen mismatches, which the weights' four bits index: one shuffle and one
   addition for 256 products. Sums of 31 bytes fit eight bits, those of a kernel sixteen. */
#if defined(__x86_64__)
#include "internal.h"

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

enum { LANES = 64, PIXELS = 12, VECTORS = 2, STEPS = 31, MAX_SUM = 65535 };
#define SIZES(CASE) \
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)

typedef __m512i vector;

TARGET BINARY_INLINE vector words_of(int16_t value) {
    return _mm512_set1_epi16(value);
}

TARGET BINARY_INLINE vector load(const uint8_t *bytes) {
    return _mm512_load_si512(bytes);
}

TARGET BINARY_INLINE vector repeated(__m128i table) {
    return _mm512_broadcast_i32x4(table);
}

TARGET BINARY_INLINE vector looked_up(vector table, vector nibbles) {
    return _mm512_shuffle_epi8(table, nibbles);
}

TARGET BINARY_INLINE vector add_bytes(vector a, vector b) {
    return _mm512_add_epi8(a, b);
}

TARGET BINARY_INLINE vector add_words(vector a, vector b) {
    return _mm512_add_epi16(a, b);
}

TARGET BINARY_INLINE vector both(vector a, vector b) {
    return _mm512_and_si512(a, b);
}

TARGET BINARY_INLINE vector high_bytes(vector words) {
    return _mm512_srli_epi16(words, 8);
}

TARGET BINARY_INLINE void store(int32_t *counts, vector words) {
    _mm512_storeu_si512(counts, _mm512_cvtepu16_epi32(_mm512_castsi512_si256(words)));
    _mm512_storeu_si512(counts + LANES / 4, _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(words, 1)));
}

#include "count_nibbles.inc"

const struct binary_form binary_avx512 = {
    .name = "avx512",
    .step_bytes = 1,
    .block = LANES,
    .max_products = MAX_SUM,
    .spread = 2,
    .pack = binary_pack_nibbles,
    .count = count,
    .write_bits = binary_write_bits_avx512,
    .write_floats = binary_write_floats_avx512,
    .transpose = binary_transpose_avx512,
    .signs = binary_signs_avx512,
    .signs_across = binary_signs_across_avx512,
};
#endif
