/* AVX-512 with a popcount instruction: eight channels in the 64-bit lanes of a register, a word of a pixel in all.

   Words are added as bits first: `ones` is the parity of all mismatches so far, and what two more words carry out of
   it is counted as twos. Parity takes one three-input operation a word, and so does the carry of a pair; only the
   carries are counted, so that 1024 products take five operations instead of six. */
#if defined(__x86_64__)
#include "internal.h"

#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq")))

enum {
    LANES = 8,
    VECTORS = 4,
    BLOCK = LANES * VECTORS,
    PIXELS = 3,
    PARITY = 0x96, /* of three inputs */
    CARRY = 0x74,  /* of two bits into a parity, from the parity before, between and after */
};

/* Two vectors make one of 32-bit counts, the second's lanes being the upper halves. */
static size_t channel_of(size_t vector, size_t lane) {
    return vector / 2 * 2 * LANES + 2 * lane + vector % 2;
}

static void pack(struct binary_plan *plan, const uint8_t *kernel) {
    uint8_t *to = plan->kernel;
    for (size_t block = 0; block < plan->line; block += BLOCK)
        for (size_t step = 0; step < plan->steps; step++)
            for (size_t i = 0; i < BLOCK; i++, to += sizeof(uint64_t)) {
                size_t o = block + channel_of(i / LANES, i % LANES);
                if (o < (size_t)plan->shape.channels_out)
                    memcpy(to, kernel + (o * plan->steps + step) * sizeof(uint64_t), sizeof(uint64_t));
            }
}

TARGET BINARY_INLINE __m512i word_at(const uint8_t *bytes) {
    long long word;
    memcpy(&word, bytes, sizeof word);
    return _mm512_set1_epi64(word);
}

TARGET BINARY_INLINE void tile(const size_t pixels, const struct binary_plan *plan, const uint8_t *input,
                               const __m512i *kernel, int32_t *counts) {
    const size_t stride = plan->pixel_stride, steps = plan->steps;
    __m512i ones[PIXELS][VECTORS], twos[PIXELS][VECTORS];
    BINARY_UNROLL
    for (size_t p = 0; p < pixels; p++)
        BINARY_UNROLL
        for (size_t v = 0; v < VECTORS; v++)
            ones[p][v] = twos[p][v] = _mm512_setzero_si512();
    size_t step = 0;
    for (; step + 2 <= steps; step += 2, kernel += 2 * VECTORS) {
        const uint8_t *first = input + plan->offsets[step], *second = input + plan->offsets[step + 1];
        BINARY_UNROLL
        for (size_t p = 0; p < pixels; p++) {
            BINARY_UNROLL
            for (size_t v = 0; v < VECTORS; v++) {
                __m512i before = ones[p][v];
                __m512i between = _mm512_ternarylogic_epi64(word_at(first + p * stride), before, kernel[v], PARITY);
                ones[p][v] =
                    _mm512_ternarylogic_epi64(word_at(second + p * stride), between, kernel[VECTORS + v], PARITY);
                __m512i carry = _mm512_ternarylogic_epi64(before, between, ones[p][v], CARRY);
                twos[p][v] = _mm512_add_epi64(twos[p][v], _mm512_popcnt_epi64(carry));
            }
        }
    }
    BINARY_UNROLL
    for (size_t p = 0; p < pixels; p++) {
        __m512i total[VECTORS];
        BINARY_UNROLL
        for (size_t v = 0; v < VECTORS; v++) {
            total[v] = _mm512_add_epi64(_mm512_slli_epi64(twos[p][v], 1), _mm512_popcnt_epi64(ones[p][v]));
            if (step < steps) {
                __m512i last = _mm512_xor_si512(word_at(input + plan->offsets[step] + p * stride), kernel[v]);
                total[v] = _mm512_add_epi64(total[v], _mm512_popcnt_epi64(last));
            }
        }
        BINARY_UNROLL
        for (size_t v = 0; v < VECTORS; v += 2)
            _mm512_store_si512(counts + p * plan->line + v * LANES,
                               _mm512_or_si512(total[v], _mm512_slli_epi64(total[v + 1], 32)));
    }
}

TARGET static void count(const struct binary_plan *plan, const uint8_t *input, size_t pixels, int32_t *counts) {
    const __m512i *kernel = (const __m512i *)plan->kernel;
    for (size_t block = 0; block < plan->line; block += BLOCK, kernel += plan->steps * VECTORS) {
        size_t p = 0;
        for (; p + PIXELS <= pixels; p += PIXELS)
            tile(PIXELS, plan, input + p * plan->pixel_stride, kernel, counts + p * plan->line + block);
        if (pixels - p == 2)
            tile(2, plan, input + p * plan->pixel_stride, kernel, counts + p * plan->line + block);
        else if (pixels - p == 1)
            tile(1, plan, input + p * plan->pixel_stride, kernel, counts + p * plan->line + block);
    }
}

const struct binary_form binary_avx512_popcnt = {
    .name = "avx512_popcnt",
    .step_bytes = sizeof(uint64_t),
    .block = BLOCK,
    .max_products = INT32_MAX,
    .spread = 1,
    .pack = pack,
    .count = count,
    .write_bits = binary_write_bits_avx512,
    .write_floats = binary_write_floats_avx512,
    .transpose = binary_transpose_avx512,
    .signs = binary_signs_avx512,
    .signs_across = binary_signs_across_avx512,
};
#endif
