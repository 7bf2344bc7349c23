/* AMX: bits as bytes, multiplied in tiles of 16 pixels x 64 channels in x 16 channels out.

   With a pixel's bits a as 0 and 1 and a kernel's bits w as +1 and -1, a xor w = w + a (1 - 2 w): sums that start from
   the number of a kernel's bits are its mismatches. Bits behind the channels are 0 in both and count nothing. Each row
   of taps is expanded once, and the tiles of neighbouring taps overlap in it. */
#if defined(__x86_64__)
#include "internal.h"

#include <immintrin.h>
#include <stdatomic.h>
#include <string.h>

#define TARGET __attribute__((target("avx512f,avx512bw,amx-tile,amx-int8")))

enum {
    SIDE = 16, /* rows of a tile, and numbers of 32 bits in one */
    BLOCK = 2 * SIDE,
    STEP_BYTES = 8,
    SPREAD = 8,                           /* bytes for the bits of one */
    TILE_ROW_BYTES = STEP_BYTES * SPREAD, /* one step of one pixel */
    TILE_BYTES = SIDE * TILE_ROW_BYTES,
    HEAD_BYTES = BLOCK * sizeof(int32_t), /* how many bits each of a block's kernels has set, before its tiles */
    CACHED_BYTES = 40 << 10,              /* of a block's tiles, that stay in the first cache */
    MAX_TAP_BYTES = 1 << 16,              /* of a kernel, so that the expanded taps stay small */
    MAX_ROWS_BYTES = 1 << 16,             /* of the rows that a kernel covers, for the same */
    LEAST_STEPS = 4,                      /* what pays for loading and storing sums */
    LEAST_PIXELS = 100,
    MOST_KERNEL_BYTES = (1 << 20) / SPREAD,
};

struct tile_configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

static size_t block_bytes(const struct binary_plan *plan) {
    return HEAD_BYTES + plan->steps * 2 * TILE_BYTES;
}

/* Groups of four channels in, each with sixteen channels out beside one another. */
static void pack(struct binary_plan *plan, const uint8_t *kernel) {
    for (size_t o = 0; o < (size_t)plan->shape.channels_out; o++, kernel += plan->steps * STEP_BYTES) {
        uint8_t *block = plan->kernel + o / BLOCK * block_bytes(plan);
        uint8_t *tiles = block + HEAD_BYTES + o % BLOCK / SIDE * TILE_BYTES + o % SIDE * sizeof(int32_t);
        int32_t set = 0;
        for (size_t i = 0; i < plan->steps * STEP_BYTES * 8; i++) {
            int bit = kernel[i / 8] >> i % 8 & 1;
            size_t within = i % 64;
            tiles[i / 64 * 2 * TILE_BYTES + within / 4 * TILE_ROW_BYTES + within % 4] = (uint8_t)(1 - 2 * bit);
            set += bit;
        }
        memcpy(block + o % BLOCK * sizeof set, &set, sizeof set);
    }
}

/* Rows of taps, each of which is expanded by itself, and the steps of a kernel in one. */
static size_t tap_rows(const struct binary_plan *plan) {
    return plan->layout == LAYOUT_GATHERED ? 1 : (size_t)plan->shape.kernel_height;
}

static size_t row_steps(const struct binary_plan *plan) {
    return plan->steps / tap_rows(plan);
}

/* Of a row of taps, expanded. */
static size_t expanded_row_bytes(const struct binary_plan *plan, size_t pixels) {
    return ((pixels - 1) * plan->pixel_stride + plan->offsets[row_steps(plan) - 1] + STEP_BYTES) * SPREAD;
}

static size_t expanded_bytes(const struct binary_plan *plan, size_t pixels) {
    return tap_rows(plan) * expanded_row_bytes(plan, pixels);
}

TARGET static void expand(const struct binary_plan *plan, const uint8_t *input, size_t pixels, uint8_t *to) {
    const __m512i one = _mm512_set1_epi8(1);
    size_t bytes = expanded_row_bytes(plan, pixels) / SPREAD;
    for (size_t row = 0; row < tap_rows(plan); row++) {
        const uint8_t *from = input + plan->offsets[row * row_steps(plan)];
        for (size_t i = 0; i < bytes; i += STEP_BYTES, to += TILE_ROW_BYTES) {
            uint64_t word;
            memcpy(&word, from + i, sizeof word);
            _mm512_store_si512(to, _mm512_maskz_mov_epi8(word, one));
        }
    }
}

/* Two tiles of pixels and a block, rows of taps `begin` to `end`: every tile that is loaded is multiplied twice. */
TARGET BINARY_INLINE void two_by_two(const struct binary_plan *plan, const uint8_t *first, const uint8_t *second,
                                     size_t row_bytes, const uint8_t *block, size_t begin, size_t end,
                                     int32_t *first_counts, int32_t *second_counts) {
    const size_t stride = plan->pixel_stride * SPREAD, steps = row_steps(plan);
    const size_t line = plan->line * sizeof(int32_t), next = begin ? line : 0;
    const uint8_t *kernel = block + HEAD_BYTES + begin * steps * 2 * TILE_BYTES;
    const int32_t *first_sums = begin ? first_counts : (const int32_t *)block;
    const int32_t *second_sums = begin ? second_counts : (const int32_t *)block;
    _tile_loadd(0, first_sums, next);
    _tile_loadd(1, first_sums + SIDE, next);
    _tile_loadd(2, second_sums, next);
    _tile_loadd(3, second_sums + SIDE, next);
    for (size_t row = begin; row < end; row++) {
        for (size_t step = 0; step < steps; step++, kernel += 2 * TILE_BYTES) {
            size_t offset = row * row_bytes + (size_t)plan->offsets[step] * SPREAD;
            _tile_loadd(6, kernel, TILE_ROW_BYTES);
            _tile_loadd(4, first + offset, stride);
            _tile_dpbusd(0, 4, 6);
            _tile_loadd(7, kernel + TILE_BYTES, TILE_ROW_BYTES);
            _tile_dpbusd(1, 4, 7);
            _tile_loadd(5, second + offset, stride);
            _tile_dpbusd(2, 5, 6);
            _tile_dpbusd(3, 5, 7);
        }
    }
    _tile_stored(0, first_counts, line);
    _tile_stored(1, first_counts + SIDE, line);
    _tile_stored(2, second_counts, line);
    _tile_stored(3, second_counts + SIDE, line);
}

TARGET static void configure(size_t pixels) {
    struct tile_configuration tiles = {.palette = 1};
    for (size_t i = 0; i < 8; i++) {
        tiles.row_bytes[i] = TILE_ROW_BYTES;
        tiles.rows[i] = (uint8_t)(i < 6 ? pixels : SIDE);
    }
    _tile_loadconfig(&tiles);
}

/* All tiles have one number of pixels, so that one configuration serves them; the last of a row reaches back into the
   one before it. Where the tiles of a block's kernels are too many for the first cache, all pixels take one row of taps
   after the other; tiles that reach back would then be added to twice. */
TARGET static void count(const struct binary_plan *plan, const uint8_t *input, size_t pixels, int32_t *counts) {
    size_t width = plan->rows == 1 || plan->layout == LAYOUT_GATHERED ? pixels : (size_t)plan->out_width;
    size_t across = (width + SIDE - 1) / SIDE, side = (width + across - 1) / across, tiles = across * (pixels / width);
    size_t row_bytes = expanded_row_bytes(plan, width), stride = plan->pixel_stride * SPREAD, rows = tap_rows(plan);
    size_t at_once = plan->steps * 2 * TILE_BYTES > CACHED_BYTES && width % side == 0 ? 1 : rows;
    const uint8_t *block = plan->kernel;
    atomic_signal_fence(memory_order_seq_cst); /* not every compiler's intrinsics say that they read memory */
    configure(side);
    for (size_t o = 0; o < plan->line; o += BLOCK, block += block_bytes(plan)) {
        for (size_t begin = 0; begin < rows; begin += at_once) {
            for (size_t i = 0; i < tiles; i += 2) {
                const uint8_t *from[2];
                int32_t *to[2];
                for (size_t j = 0; j < 2; j++) {
                    size_t tile = i + j < tiles ? i + j : i, row = tile / across, column = tile % across * side;
                    column = column + side > width ? width - side : column;
                    from[j] = input + row * rows * row_bytes + column * stride;
                    to[j] = counts + (row * width + column) * plan->line + o;
                }
                two_by_two(plan, from[0], from[1], row_bytes, block, begin, begin + at_once, to[0], to[1]);
            }
        }
    }
    _tile_release();
}

static bool fits(const struct binary_plan *plan) {
    const struct binary_convolution *c = &plan->shape;
    size_t row_pixels = (size_t)c->width + (size_t)c->pad_left + (size_t)c->pad_right;
    return plan->tap_bytes <= MAX_TAP_BYTES &&
           row_pixels * (size_t)c->input_pixel_bytes * (size_t)c->kernel_height <= MAX_ROWS_BYTES;
}

/* Where tiles are nearly full, enough pixels share the kernels, and those stay in the second cache; as measured. */
static bool pays(const struct binary_plan *plan) {
    size_t channels = (size_t)plan->shape.channels_out, width = (size_t)plan->out_width;
    size_t across = (width + SIDE - 1) / SIDE, steps = plan->tap_bytes / STEP_BYTES;
    return plan->shape.input_pixel_bytes % STEP_BYTES == 0 && steps >= LEAST_STEPS &&
           4 * width >= 3 * SIDE * across && width * (size_t)plan->out_height >= LEAST_PIXELS &&
           4 * channels >= 3 * ((channels + BLOCK - 1) / BLOCK * BLOCK) &&
           channels * plan->tap_bytes <= MOST_KERNEL_BYTES;
}

const struct binary_form binary_amx = {
    .name = "amx",
    .step_bytes = STEP_BYTES,
    .block = BLOCK,
    .max_products = INT32_MAX,
    .spread = SPREAD,
    .extra = sizeof(int32_t),
    .fits = fits,
    .pays = pays,
    .pack = pack,
    .expanded_bytes = expanded_bytes,
    .expand = expand,
    .count = count,
    .write_bits = binary_write_bits_avx512,
    .write_floats = binary_write_floats_avx512,
    .transpose = binary_transpose_avx512,
    .signs = binary_signs_avx512,
    .signs_across = binary_signs_across_avx512,
};
#endif
