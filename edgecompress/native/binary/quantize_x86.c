/* Quantization with AVX2 and AVX-512. */
#if defined(__x86_64__)
#include "quantize.h"

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

AVX2 void binary_signs_avx2(const float *input, size_t count, uint8_t *output) {
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256 negative = _mm256_cmp_ps(_mm256_loadu_ps(input + i), _mm256_setzero_ps(), _CMP_LT_OQ);
        output[i / 8] = (uint8_t)_mm256_movemask_ps(negative);
    }
    signs_with(input + i, count - i, output + i / 8);
}

AVX2 void binary_signs_across_avx2(const float *input, size_t plane, size_t channels, size_t pixels, uint8_t *output,
                                   size_t pixel_bytes) {
    signs_across_with(input, plane, channels, pixels, output, pixel_bytes);
}

AVX512 BINARY_INLINE uint64_t negative16(const float *input) {
    return _mm512_cmp_ps_mask(_mm512_loadu_ps(input), _mm512_setzero_ps(), _CMP_LT_OQ);
}

AVX512 BINARY_INLINE uint64_t negative64(const float *input) {
    return negative16(input) | negative16(input + 16) << 16 | negative16(input + 32) << 32 |
           negative16(input + 48) << 48;
}

AVX512 void binary_signs_avx512(const float *input, size_t count, uint8_t *output) {
    size_t i = 0;
    for (; i + 64 <= count; i += 64) {
        uint64_t bits = negative64(input + i);
        memcpy(output + i / 8, &bits, sizeof bits);
    }
    for (; i < count; i += 8) {
        size_t left = count - i < 8 ? count - i : 8;
        __mmask8 some = (__mmask8)((1u << left) - 1);
        output[i / 8] = _mm256_cmp_ps_mask(_mm256_maskz_loadu_ps(some, input + i), _mm256_setzero_ps(), _CMP_LT_OQ);
    }
}

AVX512 void binary_signs_across_avx512(const float *input, size_t plane, size_t channels, size_t pixels,
                                       uint8_t *output, size_t pixel_bytes) {
    size_t first = 0;
    for (; first + 64 <= pixels; first += 64) {
        __m512i bytes = _mm512_setzero_si512();
        for (size_t o = 0; o < channels; o++) {
            uint64_t negative = negative64(input + o * plane + first);
            bytes = _mm512_or_si512(bytes, _mm512_maskz_set1_epi8(negative, (char)(1 << o)));
        }
        uint8_t pixel[64];
        _mm512_storeu_si512(pixel, bytes);
        for (size_t i = 0; i < 64; i++)
            output[(first + i) * pixel_bytes] = pixel[i];
    }
    signs_across_with(input + first, plane, channels, pixels - first, output + first * pixel_bytes, pixel_bytes);
}
#endif
