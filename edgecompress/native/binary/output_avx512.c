/* From counts to results, for both AVX-512 forms. */
#if defined(__x86_64__)
#include "internal.h"

#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

enum { LANES = 16 };

TARGET BINARY_INLINE uint32_t above(const int32_t *counts, const int32_t *limits) {
    return _mm512_cmpgt_epi32_mask(_mm512_loadu_si512(counts), _mm512_loadu_si512(limits));
}

TARGET void binary_write_bits_avx512(const struct binary_plan *plan, const int32_t *counts, size_t pixels,
                                     const int32_t *limits, uint8_t *output) {
    size_t bytes = (size_t)plan->shape.output_pixel_bytes, channels = (size_t)plan->shape.channels_out;
    for (size_t pixel = 0; pixel < pixels; pixel++, counts += plan->line, output += bytes) {
        size_t o = 0, byte = 0;
        for (; o + 2 * LANES <= channels; o += 2 * LANES, byte += sizeof(uint32_t)) {
            uint32_t word = above(counts + o, limits + o) | above(counts + o + LANES, limits + o + LANES) << LANES;
            memcpy(output + byte, &word, sizeof word);
        }
        for (; byte < bytes; o += 8, byte++) {
            size_t left = o < channels ? channels - o : 0;
            if (left) { /* the line of counts goes on behind the last channel */
                uint32_t eight = _mm256_cmpgt_epi32_mask(_mm256_loadu_si256((const __m256i *)(counts + o)),
                                                         _mm256_loadu_si256((const __m256i *)(limits + o)));
                output[byte] = (uint8_t)(left < 8 ? eight & ((1u << left) - 1) : eight);
            } else {
                output[byte] = 0;
            }
        }
    }
}

TARGET void binary_write_floats_avx512(const struct binary_plan *plan, const int32_t *counts, size_t pixels,
                                       const int32_t *bases, float *output, size_t line) {
    write_floats_with(plan, counts, pixels, bases, output, line);
}

/* Pairs of rows, pairs of pairs, and so on: after four rounds row i is column i. */
TARGET BINARY_INLINE void transpose_square(__m512 *rows) {
    __m512 pairs[LANES], quads[LANES], octets[LANES];
    BINARY_UNROLL
    for (size_t i = 0; i < LANES; i += 2) {
        pairs[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
    }
    BINARY_UNROLL
    for (size_t i = 0; i < LANES; i += 4) {
        BINARY_UNROLL
        for (size_t half = 0; half < 2; half++) {
            __m512d upper = _mm512_castps_pd(pairs[i + half]), lower = _mm512_castps_pd(pairs[i + half + 2]);
            quads[i + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(upper, lower));
            quads[i + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(upper, lower));
        }
    }
    BINARY_UNROLL
    for (size_t i = 0; i < LANES; i += 8) {
        BINARY_UNROLL
        for (size_t j = 0; j < 4; j++) {
            octets[i + j] = _mm512_shuffle_f32x4(quads[i + j], quads[i + j + 4], 0x88);
            octets[i + j + 4] = _mm512_shuffle_f32x4(quads[i + j], quads[i + j + 4], 0xdd);
        }
    }
    BINARY_UNROLL
    for (size_t j = 0; j < LANES / 2; j++) {
        rows[j] = _mm512_shuffle_f32x4(octets[j], octets[j + LANES / 2], 0x88);
        rows[j + LANES / 2] = _mm512_shuffle_f32x4(octets[j], octets[j + LANES / 2], 0xdd);
    }
}

TARGET void binary_transpose_avx512(const float *input, size_t line, size_t pixels, size_t channels, float *output,
                                    size_t plane) {
    for (size_t o = 0; o < channels; o += LANES) {
        size_t columns = channels - o < LANES ? channels - o : LANES;
        __mmask16 some = (__mmask16)((1u << columns) - 1);
        for (size_t pixel = 0; pixel < pixels; pixel += LANES) {
            size_t count = pixels - pixel < LANES ? pixels - pixel : LANES;
            __m512 rows[LANES];
            BINARY_UNROLL
            for (size_t i = 0; i < LANES; i++)
                rows[i] = i < count ? _mm512_maskz_loadu_ps(some, input + (pixel + i) * line + o) : _mm512_setzero_ps();
            transpose_square(rows);
            for (size_t i = 0; i < columns; i++)
                _mm512_mask_storeu_ps(output + (o + i) * plane + pixel, (__mmask16)((1u << count) - 1), rows[i]);
        }
    }
}
#endif
