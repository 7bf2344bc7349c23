/* AVX2: the look-up of kernels_avx512.c with 32 channels in a register, and the way from counts to results. */
#if defined(__x86_64__)
#include "internal.h"

#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx2")))

enum { LANES = 32, PIXELS = 4, VECTORS = 2, STEPS = 31, MAX_SUM = 65535 };

TARGET BINARY_INLINE void store(int32_t *counts, __m256i words) {
    _mm256_storeu_si256((__m256i *)counts, _mm256_cvtepu16_epi32(_mm256_castsi256_si128(words)));
    _mm256_storeu_si256((__m256i *)counts + 1, _mm256_cvtepu16_epi32(_mm256_extracti128_si256(words, 1)));
}

TARGET BINARY_INLINE void tile(const size_t pixels, const size_t vectors, const struct binary_plan *plan,
                               const uint8_t *input, const uint8_t *kernel, size_t vector_bytes, int32_t *counts) {
    const size_t stride = plan->pixel_stride, steps = plan->steps;
    const __m256i low_byte = _mm256_set1_epi16(0xff);
    __m256i even[PIXELS][VECTORS], odd[PIXELS][VECTORS];
    BINARY_UNROLL
    for (size_t p = 0; p < pixels; p++)
        BINARY_UNROLL
        for (size_t v = 0; v < vectors; v++)
            even[p][v] = odd[p][v] = _mm256_setzero_si256();
    for (size_t begin = 0; begin < steps; begin += STEPS) {
        size_t end = begin + STEPS < steps ? begin + STEPS : steps;
        __m256i sums[PIXELS][VECTORS];
        BINARY_UNROLL
        for (size_t p = 0; p < pixels; p++)
            BINARY_UNROLL
            for (size_t v = 0; v < vectors; v++)
                sums[p][v] = _mm256_setzero_si256();
        for (size_t step = begin; step < end; step++, kernel += 2 * LANES) {
            const uint8_t *bytes = input + plan->offsets[step];
            BINARY_UNROLL
            for (size_t p = 0; p < pixels; p++) {
                const __m128i *tables = (const __m128i *)binary_nibble_table[bytes[p * stride]];
                BINARY_UNROLL
                for (size_t half = 0; half < 2; half++) {
                    __m256i table = _mm256_broadcastsi128_si256(_mm_load_si128(tables + half));
                    BINARY_UNROLL
                    for (size_t v = 0; v < vectors; v++) {
                        __m256i weights = _mm256_load_si256((const __m256i *)(kernel + v * vector_bytes) + half);
                        sums[p][v] = _mm256_add_epi8(sums[p][v], _mm256_shuffle_epi8(table, weights));
                    }
                }
            }
        }
        BINARY_UNROLL
        for (size_t p = 0; p < pixels; p++) {
            BINARY_UNROLL
            for (size_t v = 0; v < vectors; v++) {
                even[p][v] = _mm256_add_epi16(even[p][v], _mm256_and_si256(sums[p][v], low_byte));
                odd[p][v] = _mm256_add_epi16(odd[p][v], _mm256_srli_epi16(sums[p][v], 8));
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

TARGET BINARY_INLINE void row(const size_t vectors, const struct binary_plan *plan, const uint8_t *input,
                              const uint8_t *kernel, size_t pixels, int32_t *counts) {
    const size_t vector_bytes = plan->steps * 2 * LANES;
    for (size_t tiles = (pixels + PIXELS - 1) / PIXELS; tiles; tiles--) {
        size_t size = pixels / tiles;
        if (size == 1)
            tile(1, vectors, plan, input, kernel, vector_bytes, counts);
        else if (size == 2)
            tile(2, vectors, plan, input, kernel, vector_bytes, counts);
        else if (size == 3)
            tile(3, vectors, plan, input, kernel, vector_bytes, counts);
        else
            tile(PIXELS, vectors, plan, input, kernel, vector_bytes, counts);
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

/* Eight bits; limits and counts reach to the end of the block, where limits are 0. */
TARGET static void write_bits(const struct binary_plan *plan, const int32_t *counts, size_t pixels,
                              const int32_t *limits, uint8_t *output) {
    size_t bytes = (size_t)plan->shape.output_pixel_bytes, channels = (size_t)plan->shape.channels_out;
    for (size_t pixel = 0; pixel < pixels; pixel++, counts += plan->line, output += bytes) {
        for (size_t byte = 0; byte < bytes; byte++) {
            size_t o = 8 * byte, left = o < channels ? channels - o : 0;
            int bits = 0;
            if (left) {
                __m256i above = _mm256_cmpgt_epi32(_mm256_loadu_si256((const __m256i *)(counts + o)),
                                                   _mm256_loadu_si256((const __m256i *)(limits + o)));
                bits = _mm256_movemask_ps(_mm256_castsi256_ps(above));
            }
            output[byte] = (uint8_t)(left < 8 ? bits & ((1 << left) - 1) : bits);
        }
    }
}

TARGET static void write_floats(const struct binary_plan *plan, const int32_t *counts, size_t pixels,
                                const int32_t *bases, float *output, size_t line) {
    write_floats_with(plan, counts, pixels, bases, output, line);
}

TARGET static void transpose(const float *input, size_t line, size_t pixels, size_t channels, float *output,
                             size_t plane) {
    transpose_with(input, line, pixels, channels, output, plane);
}

const struct binary_form binary_avx2 = {
    .name = "avx2",
    .step_bytes = 1,
    .block = LANES,
    .max_products = MAX_SUM,
    .spread = 2,
    .pack = binary_pack_nibbles,
    .count = count,
    .write_bits = write_bits,
    .write_floats = write_floats,
    .transpose = transpose,
    .signs = binary_signs_avx2,
    .signs_across = binary_signs_across_avx2,
};
#endif
