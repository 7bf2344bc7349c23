/* The portable form: 64-bit words, any number of products. */
#include "internal.h"
#include "quantize.h"

#include <string.h>

static uint64_t word_at(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static void pack(struct binary_plan *plan, const uint8_t *kernel) {
    memcpy(plan->kernel, kernel, (size_t)plan->shape.channels_out * plan->steps * sizeof(uint64_t));
}

static void count(const struct binary_plan *plan, const uint8_t *input, size_t pixels, int32_t *counts) {
    for (size_t pixel = 0; pixel < pixels; pixel++, input += plan->pixel_stride, counts += plan->line) {
        const uint8_t *kernel = plan->kernel;
        for (size_t o = 0; o < plan->line; o++) {
            int32_t sum = 0;
            for (size_t step = 0; step < plan->steps; step++, kernel += sizeof(uint64_t))
                sum += __builtin_popcountll(word_at(input + plan->offsets[step]) ^ word_at(kernel));
            counts[o] = sum;
        }
    }
}

static void write_bits(const struct binary_plan *plan, const int32_t *counts, size_t pixels, const int32_t *limits,
                       uint8_t *output) {
    size_t bytes = (size_t)plan->shape.output_pixel_bytes, channels = (size_t)plan->shape.channels_out;
    for (size_t pixel = 0; pixel < pixels; pixel++, counts += plan->line, output += bytes) {
        memset(output, 0, bytes);
        for (size_t o = 0; o < channels; o++)
            output[o / 8] |= (uint8_t)((counts[o] > limits[o]) << o % 8);
    }
}

static void write_floats(const struct binary_plan *plan, const int32_t *counts, size_t pixels, const int32_t *bases,
                         float *output, size_t line) {
    write_floats_with(plan, counts, pixels, bases, output, line);
}

static void transpose(const float *input, size_t line, size_t pixels, size_t channels, float *output, size_t plane) {
    transpose_with(input, line, pixels, channels, output, plane);
}

static void signs(const float *input, size_t count, uint8_t *output) {
    signs_with(input, count, output);
}

static void signs_across(const float *input, size_t plane, size_t channels, size_t pixels, uint8_t *output,
                         size_t pixel_bytes) {
    signs_across_with(input, plane, channels, pixels, output, pixel_bytes);
}

const struct binary_form binary_portable = {
    .name = "portable",
    .step_bytes = sizeof(uint64_t),
    .block = 1,
    .max_products = INT32_MAX,
    .spread = 1,
    .pack = pack,
    .count = count,
    .write_bits = write_bits,
    .write_floats = write_floats,
    .transpose = transpose,
    .signs = signs,
    .signs_across = signs_across,
};
