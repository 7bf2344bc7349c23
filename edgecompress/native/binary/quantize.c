/* Signs of float32 to bits, and back. */
#include "internal.h"

#include <string.h>

void binary_quantize_nhwc(const float *input, uint8_t *output, int64_t pixels, int32_t channels, int32_t pixel_bytes) {
    const struct binary_form *form = binary_best_form();
    size_t count = (size_t)channels, used = (count + 7) / 8, bytes = (size_t)pixel_bytes;
    if (count % 8 == 0 && used == bytes) {
        form->signs(input, (size_t)pixels * count, output);
        return;
    }
    for (int64_t pixel = 0; pixel < pixels; pixel++, input += count, output += bytes) {
        form->signs(input, count, output);
        memset(output + used, 0, bytes - used);
    }
}

void binary_quantize_nchw(const float *input, uint8_t *output, int64_t pixels, int32_t channels, int32_t pixel_bytes) {
    const struct binary_form *form = binary_best_form();
    size_t plane = (size_t)pixels;
    for (int32_t byte = 0; byte < pixel_bytes; byte++) {
        int32_t left = channels - 8 * byte;
        size_t count = left < 0 ? 0 : left < 8 ? (size_t)left : 8;
        form->signs_across(input, plane, count, plane, output + byte, (size_t)pixel_bytes);
        input += count * plane;
    }
}

static float floats_of[256][8];

__attribute__((constructor)) static void fill(void) {
    for (int byte = 0; byte < 256; byte++)
        for (int i = 0; i < 8; i++)
            floats_of[byte][i] = byte >> i & 1 ? -1.0f : 1.0f;
}

void binary_dequantize(const uint8_t *input, float *output, int64_t pixels, int32_t channels, int32_t pixel_bytes) {
    size_t whole = (size_t)channels / 8, rest = (size_t)channels % 8;
    for (int64_t pixel = 0; pixel < pixels; pixel++, input += pixel_bytes) {
        for (size_t byte = 0; byte < whole; byte++, output += 8)
            memcpy(output, floats_of[input[byte]], sizeof *floats_of);
        if (rest)
            memcpy(output, floats_of[input[whole]], rest * sizeof **floats_of);
        output += rest;
    }
}
