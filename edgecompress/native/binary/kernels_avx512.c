/* AVX-512 without a popcount instruction: 64 channels in the bytes of a register, four bits of a pixel at once.

   The pixel's four bits choose a table of sixteen mismatches, which the weights' four bits index: one shuffle and one
   addition for 256 products. Sums of 31 bytes fit eight bits, those of a kernel sixteen. */
#if defined(__x86_64__)
#include "internal.h"

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

enum { LANES = 64, PIXELS = 12, VECTORS = 2, STEPS = 31, MAX_SUM = 65535 };

TARGET BINARY_INLINE void store(int32_t *counts, __m512i words) {
    _mm512_storeu_si512(counts, _mm512_cvtepu16_epi32(_mm512_castsi512_si256(words)));
    _mm512_storeu_si512(counts + LANES / 4, _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(words, 1)));
}

/* `kernel` of the first vector; the next one's stands `vector_bytes` behind. */
TARGET BINARY_INLINE void tile(const size_t pixels, const size_t vectors, const struct binary_plan *plan,
                               const uint8_t *input, const uint8_t *kernel, size_t vector_bytes, int32_t *counts) {
    const size_t stride = plan->pixel_stride, steps = plan->steps;
    const __m512i low_byte = _mm512_set1_epi16(0xff);
    __m512i even[PIXELS][VECTORS], odd[PIXELS][VECTORS];
    BINARY_UNROLL
    for (size_t p = 0; p < pixels; p++)
        BINARY_UNROLL
        for (size_t v = 0; v < vectors; v++)
            even[p][v] = odd[p][v] = _mm512_setzero_si512();
    for (size_t begin = 0; begin < steps; begin += STEPS) {
        size_t end = begin + STEPS < steps ? begin + STEPS : steps;
        __m512i sums[PIXELS][VECTORS];
        BINARY_UNROLL
        for (size_t p = 0; p < pixels; p++)
            BINARY_UNROLL
            for (size_t v = 0; v < vectors; v++)
                sums[p][v] = _mm512_setzero_si512();
        for (size_t step = begin; step < end; step++, kernel += 2 * LANES) {
            const uint8_t *bytes = input + plan->offsets[step];
            BINARY_UNROLL
            for (size_t p = 0; p < pixels; p++) {
                const __m128i *tables = (const __m128i *)binary_nibble_table[bytes[p * stride]];
                BINARY_UNROLL
                for (size_t half = 0; half < 2; half++) {
                    __m512i table = _mm512_broadcast_i32x4(_mm_load_si128(tables + half));
                    BINARY_UNROLL
                    for (size_t v = 0; v < vectors; v++) {
                        __m512i weights = _mm512_load_si512(kernel + v * vector_bytes + half * LANES);
                        sums[p][v] = _mm512_add_epi8(sums[p][v], _mm512_shuffle_epi8(table, weights));
                    }
                }
            }
        }
        BINARY_UNROLL
        for (size_t p = 0; p < pixels; p++) {
            BINARY_UNROLL
            for (size_t v = 0; v < vectors; v++) {
                even[p][v] = _mm512_add_epi16(even[p][v], _mm512_and_si512(sums[p][v], low_byte));
                odd[p][v] = _mm512_add_epi16(odd[p][v], _mm512_srli_epi16(sums[p][v], 8));
            }
        }
    }
    BINARY_UNROLL
    for (size_t p = 0; p < pixels; p++) {
        BINARY_UNROLL
        for (size_t v = 0; v < vectors; v++) {
            store(counts + p * plan->line + v * LANES, even[p][v]);
            store(counts + p * plan->line + v * LANES + LANES / 2, odd[p][v]);
        }
    }
}

/* Tiles of nearly one size: many small ones would read the kernels too often. */
TARGET BINARY_INLINE void row(const size_t vectors, const struct binary_plan *plan, const uint8_t *input,
                              const uint8_t *kernel, size_t pixels, int32_t *counts) {
    const size_t vector_bytes = plan->steps * 2 * LANES;
    for (size_t tiles = (pixels + PIXELS - 1) / PIXELS; tiles; tiles--) {
        size_t size = pixels / tiles;
        switch (size) {
#define CASE(n)                                                       \
    case n:                                                           \
        tile(n, vectors, plan, input, kernel, vector_bytes, counts); \
        break;
            CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#undef CASE
        }
        pixels -= size;
        input += size * plan->pixel_stride;
        counts += size * plan->line;
    }
}

TARGET static void count(const struct binary_plan *plan, const uint8_t *input, size_t pixels, int32_t *counts) {
    const size_t vector_bytes = plan->steps * 2 * LANES;
    const uint8_t *kernel = plan->kernel;
    size_t o = 0;
    for (; o + VECTORS * LANES <= plan->line; o += VECTORS * LANES, kernel += VECTORS * vector_bytes)
        row(VECTORS, plan, input, kernel, pixels, counts + o);
    for (; o < plan->line; o += LANES, kernel += vector_bytes)
        row(1, plan, input, kernel, pixels, counts + o);
}

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
