/* The plain loops of quantization, which every form compiles for its processor or uses for the rest. */
#ifndef EDGECOMPRESS_BINARY_QUANTIZE_H
#define EDGECOMPRESS_BINARY_QUANTIZE_H

#include "internal.h"

/* The signs of neighbours, the last byte filled up with 0. */
BINARY_INLINE void signs_with(const float *input, size_t count, uint8_t *output) {
    for (size_t begin = 0; begin < count; begin += 8) {
        unsigned bits = 0;
        for (size_t i = begin; i < count && i < begin + 8; i++)
            bits |= (unsigned)(input[i] < 0) << (i - begin);
        output[begin / 8] = (uint8_t)bits;
    }
}

/* The signs of up to eight channels, `plane` apart, one byte for each pixel. */
BINARY_INLINE void signs_across_with(const float *input, size_t plane, size_t channels, size_t pixels,
                                     uint8_t *output, size_t pixel_bytes) {
    enum { GROUP = 64 };
    for (size_t first = 0; first < pixels; first += GROUP) {
        size_t count = pixels - first < GROUP ? pixels - first : GROUP;
        uint8_t bits[GROUP] = {0};
        for (size_t o = 0; o < channels; o++) {
            const float *values = input + o * plane + first;
            uint8_t bit = (uint8_t)(1 << o);
            for (size_t i = 0; i < count; i++)
                bits[i] |= values[i] < 0 ? bit : 0;
        }
        for (size_t i = 0; i < count; i++)
            output[(first + i) * pixel_bytes] = bits[i];
    }
}

#endif
