/* What the files of the library share. A form is one way to count mismatches; all forms give the same numbers. */
#ifndef EDGECOMPRESS_BINARY_INTERNAL_H
#define EDGECOMPRESS_BINARY_INTERNAL_H

#pragma GCC visibility push(default)
#include "binary.h"
#pragma GCC visibility pop

#define BINARY_INLINE static inline __attribute__((always_inline))

/* Before a loop of constant length over registers: unless it is unrolled, they are kept in memory. */
#define BINARY_UNROLL _Pragma("GCC unroll 16")

struct binary_form {
    const char *name;
    size_t step_bytes;    /* of a pixel, that the form takes at once */
    size_t block;         /* channels out that it counts at once */
    int32_t max_products; /* more would not fit its counters */
    size_t spread;        /* bytes of a packed kernel for each of its bytes */
    size_t extra;         /* more bytes for each channel out */
    /* For forms that are not for every geometry: whether one is possible, and whether it is faster than the others. */
    bool (*fits)(const struct binary_plan *plan);
    bool (*pays)(const struct binary_plan *plan);
    void (*pack)(struct binary_plan *plan, const uint8_t *kernel);
    /* For forms that count in bytes: write the taps of `pixels` neighbours as bytes, `expanded_bytes` of them. */
    size_t (*expanded_bytes)(const struct binary_plan *plan, size_t pixels);
    void (*expand)(const struct binary_plan *plan, const uint8_t *input, size_t pixels, uint8_t *to);
    /* For `pixels` neighbours, the first one's first tap at `input`, write a line of mismatches each, of all blocks.
       Where `expand` is, `input` is what it wrote, of one row or of whole rows one behind the other. */
    void (*count)(const struct binary_plan *plan, const uint8_t *input, size_t pixels, int32_t *counts);
    /* Bit o of each pixel is whether counts[o] > limits[o]; the bits behind the channels are 0. */
    void (*write_bits)(const struct binary_plan *plan, const int32_t *counts, size_t pixels, const int32_t *limits,
                       uint8_t *output);
    void (*write_floats)(const struct binary_plan *plan, const int32_t *counts, size_t pixels, const int32_t *bases,
                         float *output, size_t line);
    /* From pixels x channels, `line` apart, to channels x pixels, `plane` apart. */
    void (*transpose)(const float *input, size_t line, size_t pixels, size_t channels, float *output, size_t plane);
    /* The signs of `count` neighbours, the last byte filled up with 0. */
    void (*signs)(const float *input, size_t count, uint8_t *output);
    /* The signs of up to eight channels, `plane` apart, to one byte of each pixel. */
    void (*signs_across)(const float *input, size_t plane, size_t channels, size_t pixels, uint8_t *output,
                         size_t pixel_bytes);
};

/* Where the taps of an output pixel are found. */
enum binary_layout {
    LAYOUT_INPUT,    /* in the input itself */
    LAYOUT_ROWS,     /* in a copy of the rows that the kernel covers, with their padding */
    LAYOUT_GATHERED, /* one behind the other, for each pixel by itself */
};

struct binary_plan {
    struct binary_convolution shape;
    const struct binary_form *form;
    enum binary_layout layout;
    bool flat; /* a kernel of one pixel: rows need no telling apart */
    int32_t out_height, out_width;
    int32_t products;                  /* K */
    size_t taps, tap_bytes, row_bytes; /* of a kernel; row_bytes of what `layout` says */
    size_t steps, run;                 /* `run` steps stand one behind the other */
    size_t pixel_stride;               /* bytes from one output pixel's first tap to the next one's */
    size_t line;                       /* channels out, filled up to whole blocks */
    size_t chunk;                      /* pixels that are computed before they are written */
    size_t rows;                       /* of an output that are computed at once; 1 but for forms that expand */
    uint32_t *offsets;                 /* of each step from the first */
    uint8_t *kernel;                   /* as form->pack laid it out */
    int32_t *tap_sums;                 /* with zero padding: taps x line, what a tap of +1 adds to a sum */
    int32_t *limits;                   /* line; for bits */
    int32_t *bases;                    /* line; K, for floats */
    float *multiplier, *bias;          /* line */
};

extern const struct binary_form binary_portable, binary_avx2, binary_avx512, binary_avx512_popcnt, binary_amx,
    binary_neon;

/* The form that binary_kernels() names. */
const struct binary_form *binary_best_form(void);

/* The form for a geometry whose output size and bytes are known. */
const struct binary_form *binary_form_for(const struct binary_plan *plan);

enum { BINARY_MAX_BYTES = 1 << 30 }; /* of an image, of all kernels, packed or not, of an output */

/* At least `size` bytes, 64-byte aligned, this thread's until it asks again. */
void *binary_scratch(size_t size);

/* malloc, 64-byte aligned and zero; NULL where there is no memory. */
void *binary_zeros(size_t count, size_t size);

/* Write `why` and return false. */
bool binary_refuse(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Kernels as nibbles, for forms that look them up: blocks x steps x (low, high) x lanes. The even lanes hold the first
   half of a block's channels and the odd ones the second, so that sums widened to 16 bits come out in order. */
void binary_pack_nibbles(struct binary_plan *plan, const uint8_t *kernel);

/* Mismatches of an activation's low and high nibble with each of the sixteen weights; 32 bytes for each byte. */
extern uint8_t binary_nibble_table[256][2][16];

/* The output of both AVX-512 forms, and quantization. */
void binary_write_bits_avx512(const struct binary_plan *plan, const int32_t *counts, size_t pixels,
                              const int32_t *limits, uint8_t *output);
void binary_write_floats_avx512(const struct binary_plan *plan, const int32_t *counts, size_t pixels,
                                const int32_t *bases, float *output, size_t line);
void binary_transpose_avx512(const float *input, size_t line, size_t pixels, size_t channels, float *output,
                             size_t plane);

void binary_signs_avx2(const float *input, size_t count, uint8_t *output);
void binary_signs_across_avx2(const float *input, size_t plane, size_t channels, size_t pixels, uint8_t *output,
                              size_t pixel_bytes);
void binary_signs_avx512(const float *input, size_t count, uint8_t *output);
void binary_signs_across_avx512(const float *input, size_t plane, size_t channels, size_t pixels, uint8_t *output,
                                size_t pixel_bytes);

/* What differs between processors is only for which of them the compiler writes these loops. */
BINARY_INLINE void write_floats_with(const struct binary_plan *plan, const int32_t *counts, size_t pixels,
                                     const int32_t *bases, float *output, size_t line) {
    const float *multiplier = plan->multiplier, *bias = plan->bias;
    size_t channels = (size_t)plan->shape.channels_out;
    int32_t least = plan->shape.relu ? 0 : INT32_MIN;
    for (size_t pixel = 0; pixel < pixels; pixel++, counts += plan->line, output += line) {
        for (size_t o = 0; o < channels; o++) {
            int32_t sum = bases[o] - 2 * counts[o];
            float scaled = (float)(sum > least ? sum : least) * multiplier[o];
            output[o] = scaled + bias[o];
        }
    }
}

BINARY_INLINE void transpose_with(const float *input, size_t line, size_t pixels, size_t channels, float *output,
                                  size_t plane) {
    for (size_t o = 0; o < channels; o++)
        for (size_t pixel = 0; pixel < pixels; pixel++)
            output[o * plane + pixel] = input[pixel * line + o];
}

#endif
