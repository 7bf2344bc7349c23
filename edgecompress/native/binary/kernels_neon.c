/* NEON: 16 channels in the bytes of a register, a byte of a pixel in all: exclusive or, popcount and one addition for
   128 products. Sums of 31 bytes fit eight bits, those of a kernel sixteen. */
#if defined(__aarch64__)
#include "internal.h"
#include "quantize.h"

#include <arm_neon.h>
#include <string.h>

enum { LANES = 16, VECTORS = 4, GROUP = LANES * VECTORS, PIXELS = 4, STEPS = 31, MAX_SUM = 65535 };

static size_t group_at(const struct binary_plan *plan, size_t o) {
    return plan->line - o < GROUP ? plan->line - o : GROUP;
}

/* Groups of up to four vectors, steps x channels each. */
static void pack(struct binary_plan *plan, const uint8_t *kernel) {
    uint8_t *to = plan->kernel;
    for (size_t group = 0; group < plan->line; group += GROUP)
        for (size_t step = 0; step < plan->steps; step++)
            for (size_t o = group; o < group + group_at(plan, group); o++, to++)
                if (o < (size_t)plan->shape.channels_out)
                    *to = kernel[o * plan->steps + step];
}

BINARY_INLINE void store(int32_t *counts, uint16x8_t words) {
    vst1q_u32((uint32_t *)counts, vmovl_u16(vget_low_u16(words)));
    vst1q_u32((uint32_t *)counts + 4, vmovl_high_u16(words));
}

BINARY_INLINE void tile(const size_t pixels, const size_t vectors, const struct binary_plan *plan,
                        const uint8_t *input, const uint8_t *kernel, int32_t *counts) {
    uint16x8_t low[PIXELS][VECTORS], high[PIXELS][VECTORS];
    BINARY_UNROLL
    for (size_t p = 0; p < pixels; p++)
        BINARY_UNROLL
        for (size_t v = 0; v < vectors; v++)
            low[p][v] = high[p][v] = vdupq_n_u16(0);
    for (size_t step = 0; step < plan->steps;) {
        size_t in_run = plan->run - step % plan->run, count = in_run < STEPS ? in_run : STEPS;
        const uint8_t *bytes[PIXELS];
        uint8x16_t sums[PIXELS][VECTORS];
        BINARY_UNROLL
        for (size_t p = 0; p < pixels; p++) {
            bytes[p] = input + plan->offsets[step] + p * plan->pixel_stride;
            BINARY_UNROLL
            for (size_t v = 0; v < vectors; v++)
                sums[p][v] = vdupq_n_u8(0);
        }
        step += count;
        for (; count; count--, kernel += vectors * LANES) {
            uint8x16_t weights[VECTORS];
            BINARY_UNROLL
            for (size_t v = 0; v < vectors; v++)
                weights[v] = vld1q_u8(kernel + v * LANES);
            BINARY_UNROLL
            for (size_t p = 0; p < pixels; p++) {
                uint8x16_t byte = vld1q_dup_u8(bytes[p]++);
                BINARY_UNROLL
                for (size_t v = 0; v < vectors; v++)
                    sums[p][v] = vaddq_u8(sums[p][v], vcntq_u8(veorq_u8(byte, weights[v])));
            }
        }
        BINARY_UNROLL
        for (size_t p = 0; p < pixels; p++) {
            BINARY_UNROLL
            for (size_t v = 0; v < vectors; v++) {
                low[p][v] = vaddw_u8(low[p][v], vget_low_u8(sums[p][v]));
                high[p][v] = vaddw_high_u8(high[p][v], sums[p][v]);
            }
        }
    }
    BINARY_UNROLL
    for (size_t p = 0; p < pixels; p++) {
        BINARY_UNROLL
        for (size_t v = 0; v < vectors; v++) {
            store(counts + p * plan->line + v * LANES, low[p][v]);
            store(counts + p * plan->line + v * LANES + LANES / 2, high[p][v]);
        }
    }
}

/* Tiles of nearly one size. */
BINARY_INLINE void row(const size_t vectors, const struct binary_plan *plan, const uint8_t *input,
                       const uint8_t *kernel, size_t pixels, int32_t *counts) {
    for (size_t tiles = (pixels + PIXELS - 1) / PIXELS; tiles; tiles--) {
        size_t size = pixels / tiles;
        switch (size) {
#define CASE(n)                                         \
    case n:                                             \
        tile(n, vectors, plan, input, kernel, counts); \
        break;
            CASE(1) CASE(2) CASE(3) CASE(4)
#undef CASE
        }
        pixels -= size;
        input += size * plan->pixel_stride;
        counts += size * plan->line;
    }
}

static void count(const struct binary_plan *plan, const uint8_t *input, size_t pixels, int32_t *counts) {
    const uint8_t *kernel = plan->kernel;
    for (size_t o = 0; o < plan->line; o += GROUP) {
        size_t group = group_at(plan, o);
        switch (group / LANES) {
#define CASE(n)                                             \
    case n:                                                 \
        row(n, plan, input, kernel, pixels, counts + o); \
        break;
            CASE(1) CASE(2) CASE(3) CASE(4)
#undef CASE
        }
        kernel += plan->steps * group;
    }
}

BINARY_INLINE uint16x8_t above(const int32_t *counts, const int32_t *limits) {
    uint32x4_t first = vcgtq_s32(vld1q_s32(counts), vld1q_s32(limits));
    uint32x4_t second = vcgtq_s32(vld1q_s32(counts + 4), vld1q_s32(limits + 4));
    return vuzp1q_u16(vreinterpretq_u16_u32(first), vreinterpretq_u16_u32(second));
}

/* From bytes of all ones or none to bits. */
BINARY_INLINE uint16_t bits_of(uint8x16_t bytes) {
    static const uint8_t one[LANES] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t bits = vandq_u8(bytes, vld1q_u8(one));
    bits = vpaddq_u8(bits, bits);
    bits = vpaddq_u8(bits, bits);
    bits = vpaddq_u8(bits, bits);
    return vgetq_lane_u16(vreinterpretq_u16_u8(bits), 0);
}

static void write_bits(const struct binary_plan *plan, const int32_t *counts, size_t pixels, const int32_t *limits,
                       uint8_t *output) {
    size_t bytes = (size_t)plan->shape.output_pixel_bytes, channels = (size_t)plan->shape.channels_out;
    for (size_t pixel = 0; pixel < pixels; pixel++, counts += plan->line, output += bytes) {
        for (size_t byte = 0; byte < bytes; byte += 2) {
            size_t o = 8 * byte;
            uint16_t bits = 0;
            if (o < channels) {
                uint16x8_t first = above(counts + o, limits + o), second = above(counts + o + 8, limits + o + 8);
                bits = bits_of(vuzp1q_u8(vreinterpretq_u8_u16(first), vreinterpretq_u8_u16(second)));
                if (channels - o < LANES)
                    bits &= (uint16_t)((1 << (channels - o)) - 1);
            }
            memcpy(output + byte, &bits, bytes - byte < 2 ? 1 : 2);
        }
    }
}

static void write_floats(const struct binary_plan *plan, const int32_t *counts, size_t pixels, const int32_t *bases,
                         float *output, size_t line) {
    write_floats_with(plan, counts, pixels, bases, output, line);
}

static void transpose(const float *input, size_t line, size_t pixels, size_t channels, float *output, size_t plane) {
    size_t whole_pixels = pixels / 4 * 4, whole_channels = channels / 4 * 4;
    for (size_t o = 0; o < whole_channels; o += 4) {
        for (size_t pixel = 0; pixel < whole_pixels; pixel += 4) {
            const float *from = input + pixel * line + o;
            float32x4_t a = vld1q_f32(from), b = vld1q_f32(from + line);
            float32x4_t c = vld1q_f32(from + 2 * line), d = vld1q_f32(from + 3 * line);
            float32x4_t ac_low = vzip1q_f32(a, c), ac_high = vzip2q_f32(a, c);
            float32x4_t bd_low = vzip1q_f32(b, d), bd_high = vzip2q_f32(b, d);
            vst1q_f32(output + o * plane + pixel, vzip1q_f32(ac_low, bd_low));
            vst1q_f32(output + (o + 1) * plane + pixel, vzip2q_f32(ac_low, bd_low));
            vst1q_f32(output + (o + 2) * plane + pixel, vzip1q_f32(ac_high, bd_high));
            vst1q_f32(output + (o + 3) * plane + pixel, vzip2q_f32(ac_high, bd_high));
        }
    }
    transpose_with(input + whole_channels, line, whole_pixels, channels - whole_channels,
                   output + whole_channels * plane, plane);
    transpose_with(input + whole_pixels * line, line, pixels - whole_pixels, channels, output + whole_pixels, plane);
}

BINARY_INLINE uint16x8_t negative(const float *input) {
    uint32x4_t first = vcltzq_f32(vld1q_f32(input)), second = vcltzq_f32(vld1q_f32(input + 4));
    return vuzp1q_u16(vreinterpretq_u16_u32(first), vreinterpretq_u16_u32(second));
}

static void signs(const float *input, size_t count, uint8_t *output) {
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        uint16x8_t first = negative(input + i), second = negative(input + i + 8);
        uint16_t bits = bits_of(vuzp1q_u8(vreinterpretq_u8_u16(first), vreinterpretq_u8_u16(second)));
        memcpy(output + i / 8, &bits, sizeof bits);
    }
    signs_with(input + i, count - i, output + i / 8);
}

static void signs_across(const float *input, size_t plane, size_t channels, size_t pixels, uint8_t *output,
                         size_t pixel_bytes) {
    signs_across_with(input, plane, channels, pixels, output, pixel_bytes);
}

const struct binary_form binary_neon = {
    .name = "neon",
    .step_bytes = 1,
    .block = LANES,
    .max_products = MAX_SUM,
    .spread = 1,
    .pack = pack,
    .count = count,
    .write_bits = write_bits,
    .write_floats = write_floats,
    .transpose = transpose,
    .signs = signs,
    .signs_across = signs_across,
};
#endif
