/* AVX2: the look-up of kernels_avx512.c with 32 channels in a register, and the way from counts to results. */
#if defined(__x86_64__)
#include "internal.h"

#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx2")))

enum { LANES = 32, PIXELS = 4, VECTORS = 2, STEPS = 31, MAX_SUM = 65535 };
#define SIZES(CASE) CASE(1) CASE(2) CASE(3) CASE(4)

typedef __m256i vector;

TARGET BINARY_INLINE vector words_of(int16_t value) {
    return _mm256_set1_epi16(value);
}

TARGET BINARY_INLINE vector load(const uint8_t *bytes) {
    return _mm256_load_si256((const __m256i *)bytes);
}

TARGET BINARY_INLINE vector repeated(__m128i table) {
    return _mm256_broadcastsi128_si256(table);
}

TARGET BINARY_INLINE vector looked_up(vector table, vector nibbles) {
    return _mm256_shuffle_epi8(table, nibbles);
}

TARGET BINARY_INLINE vector add_bytes(vector a, vector b) {
    return _mm256_add_epi8(a, b);
}

TARGET BINARY_INLINE vector add_words(vector a, vector b) {
    return _mm256_add_epi16(a, b);
}

TARGET BINARY_INLINE vector both(vector a, vector b) {
    return _mm256_and_si256(a, b);
}

TARGET BINARY_INLINE vector high_bytes(vector words) {
    return _mm256_srli_epi16(words, 8);
}

TARGET BINARY_INLINE void store(int32_t *counts, vector words) {
    _mm256_storeu_si256((__m256i *)counts, _mm256_cvtepu16_epi32(_mm256_castsi256_si128(words)));
    _mm256_storeu_si256((__m256i *)counts + 1, _mm256_cvtepu16_epi32(_mm256_extracti128_si256(words, 1)));
}

#include "count_nibbles.inc"

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
