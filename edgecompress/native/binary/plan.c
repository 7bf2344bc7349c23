/* From a geometry and its kernels to a plan: all checks, and how the taps will be found. */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_SIDE = 65536,
    MAX_CHANNELS = 1 << 20,
    MAX_SLACK_BYTES = 64, /* of a pixel, behind its channels */
    MAX_TAP_BYTES = 1 << 26, /* of one kernel: no sum of its bits leaves 32 bits, even twice */
    MAX_BYTES = BINARY_MAX_BYTES, /* of an image, of all kernels, of an output */
    CHUNK_BYTES = 1 << 16,   /* of counts: what stays in the first cache together with a block's kernels, or nearly */
    EXPANDED_CHUNK_BYTES = 1 << 17, /* for forms whose kernels are larger, and want to be read less often */
    MIN_CHUNK = 8,
    MAX_ROWS = 32, /* at once: what bounds their memory where they are short */
    MAX_BLOCK = 64, /* channels, of any form */
};

bool binary_refuse(char *why, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, BINARY_WHY, format, arguments);
    va_end(arguments);
    return false;
}

static int64_t reach_of(int32_t taps, int32_t dilation) {
    return (int64_t)(taps - 1) * dilation + 1;
}

static bool side_is_sound(const char *name, int32_t size, int32_t taps, int32_t stride, int32_t dilation,
                          int32_t before, int32_t after, char *why) {
    const int32_t positive[] = {size, taps, stride, dilation};
    const char *const names[] = {"size", "kernel", "stride", "dilation"};
    for (size_t i = 0; i < sizeof positive / sizeof *positive; i++)
        if (positive[i] < 1 || positive[i] > MAX_SIDE)
            return binary_refuse(why, "the %s's %s is %d; it must be 1 to %d", name, names[i], positive[i], MAX_SIDE);
    int64_t reach = reach_of(taps, dilation);
    if (before < 0 || after < 0 || before >= reach || after >= reach)
        return binary_refuse(why, "the %s's padding is %d and %d; it must be 0 or more and less than the kernel's %lld",
                             name, before, after, (long long)reach);
    if (reach > (int64_t)size + before + after)
        return binary_refuse(why, "the %s's kernel covers %lld pixels, but the padded image has %lld", name,
                             (long long)reach, (long long)size + before + after);
    return true;
}

static bool pixel_is_sound(const char *name, int32_t channels, int32_t pixel_bytes, char *why) {
    int32_t needed = (channels + 7) / 8;
    if (pixel_bytes < needed || pixel_bytes > needed + MAX_SLACK_BYTES)
        return binary_refuse(why, "%d bytes for the %d channels of an %s pixel; it must be %d to %d", pixel_bytes,
                             channels, name, needed, needed + MAX_SLACK_BYTES);
    return true;
}

static bool channels_are_sound(const char *name, int32_t channels, char *why) {
    if (channels < 1 || channels > MAX_CHANNELS)
        return binary_refuse(why, "%d channels %s; it must be 1 to %d", channels, name, MAX_CHANNELS);
    return true;
}

/* Each product below is bounded before it is multiplied again, so that none leaves 64 bits. */
static bool bytes_are_sound(const struct binary_convolution *c, size_t kernel_size_bytes, char *why) {
    uint64_t padded_width = (uint64_t)c->width + c->pad_left + c->pad_right;
    uint64_t padded = ((uint64_t)c->height + c->pad_top + c->pad_bottom) * padded_width;
    uint64_t taps = (uint64_t)c->kernel_height * c->kernel_width;
    int32_t height, width;
    binary_output_size(c, &height, &width);
    uint64_t pixels = (uint64_t)height * width;
    uint64_t out_bytes = c->output == BINARY_BITS ? (uint64_t)c->output_pixel_bytes : 4 * (uint64_t)c->channels_out;
    if (padded > MAX_BYTES || padded * c->input_pixel_bytes > MAX_BYTES)
        return binary_refuse(why, "the padded image is larger than %d bytes", MAX_BYTES);
    if (pixels > MAX_BYTES || pixels * out_bytes > MAX_BYTES)
        return binary_refuse(why, "the output is larger than %d bytes", MAX_BYTES);
    if (taps > MAX_TAP_BYTES || taps * c->input_pixel_bytes > MAX_TAP_BYTES)
        return binary_refuse(why, "a kernel of more than %d bytes", MAX_TAP_BYTES);
    uint64_t sums = taps * (((uint64_t)c->channels_out + MAX_BLOCK - 1) / MAX_BLOCK * MAX_BLOCK);
    if (c->zero_padding && sums * sizeof(int32_t) > MAX_BYTES)
        return binary_refuse(why, "%llu taps of %d channels are too many for zero padding", (unsigned long long)taps,
                             c->channels_out);
    uint64_t kernel_bytes = taps * c->input_pixel_bytes * c->channels_out;
    if (kernel_bytes > MAX_BYTES || kernel_bytes != kernel_size_bytes)
        return binary_refuse(why, "the kernels have %zu bytes; it must be %llu, and %d at most", kernel_size_bytes,
                             (unsigned long long)kernel_bytes, MAX_BYTES);
    return true;
}

static bool is_sound(const struct binary_convolution *c, size_t kernel_size_bytes, char *why) {
    if (c->output != BINARY_BITS && c->output != BINARY_NHWC && c->output != BINARY_NCHW)
        return binary_refuse(why, "output %d is none of bits, NHWC and NCHW", (int)c->output);
    return channels_are_sound("in", c->channels_in, why) && channels_are_sound("out", c->channels_out, why) &&
           pixel_is_sound("input", c->channels_in, c->input_pixel_bytes, why) &&
           (c->output != BINARY_BITS || pixel_is_sound("output", c->channels_out, c->output_pixel_bytes, why)) &&
           side_is_sound("height", c->height, c->kernel_height, c->stride_height, c->dilation_height, c->pad_top,
                         c->pad_bottom, why) &&
           side_is_sound("width", c->width, c->kernel_width, c->stride_width, c->dilation_width, c->pad_left,
                         c->pad_right, why) &&
           bytes_are_sound(c, kernel_size_bytes, why);
}

void binary_output_size(const struct binary_convolution *c, int32_t *height, int32_t *width) {
    int64_t rows = (int64_t)c->height + c->pad_top + c->pad_bottom - reach_of(c->kernel_height, c->dilation_height);
    int64_t columns = (int64_t)c->width + c->pad_left + c->pad_right - reach_of(c->kernel_width, c->dilation_width);
    *height = (int32_t)(rows / c->stride_height + 1);
    *width = (int32_t)(columns / c->stride_width + 1);
}

/* Where the bytes of a pixel are no whole steps, its taps are gathered and only their end is filled up. */
static void lay_out(struct binary_plan *plan) {
    struct binary_convolution *c = &plan->shape;
    size_t step_bytes = plan->form->step_bytes, pixel_bytes = (size_t)c->input_pixel_bytes;
    plan->steps = (plan->tap_bytes + step_bytes - 1) / step_bytes;
    if (pixel_bytes % step_bytes) {
        plan->layout = LAYOUT_GATHERED;
        plan->pixel_stride = plan->steps * step_bytes;
        plan->run = plan->steps;
        return;
    }
    bool padded = c->pad_top || c->pad_left || c->pad_bottom || c->pad_right;
    plan->layout = padded ? LAYOUT_ROWS : LAYOUT_INPUT;
    plan->row_bytes = ((size_t)c->width + c->pad_left + c->pad_right) * pixel_bytes;
    plan->pixel_stride = (size_t)c->stride_width * pixel_bytes;
    plan->run = pixel_bytes / step_bytes * (c->dilation_width == 1 ? (size_t)c->kernel_width : 1);
}

static void set_offsets(struct binary_plan *plan) {
    const struct binary_convolution *c = &plan->shape;
    size_t step_bytes = plan->form->step_bytes, tap_steps = (size_t)c->input_pixel_bytes / step_bytes;
    size_t row_bytes = plan->layout == LAYOUT_INPUT ? plan->row_bytes * (size_t)c->dilation_height : plan->row_bytes;
    for (size_t step = 0; step < plan->steps; step++) {
        if (plan->layout == LAYOUT_GATHERED) {
            plan->offsets[step] = (uint32_t)(step * step_bytes);
            continue;
        }
        size_t tap = step / tap_steps, width = (size_t)c->kernel_width;
        size_t column = tap % width * (size_t)c->dilation_width * (size_t)c->input_pixel_bytes;
        plan->offsets[step] = (uint32_t)(tap / width * row_bytes + column + step % tap_steps * step_bytes);
    }
}

/* One kernel behind the other, each filled up to whole steps, and nothing set behind the channels. Bits that an input
   has set there make its sums wrong, but nothing else. */
static uint8_t *tidy(const struct binary_plan *plan, const uint8_t *kernel) {
    size_t size = plan->steps * plan->form->step_bytes, pixel_bytes = (size_t)plan->shape.input_pixel_bytes;
    size_t whole = (size_t)plan->shape.channels_in / 8;
    uint8_t last = (uint8_t)((1 << plan->shape.channels_in % 8) - 1);
    uint8_t *result = binary_zeros((size_t)plan->shape.channels_out, size);
    for (size_t o = 0; result && o < (size_t)plan->shape.channels_out; o++) {
        for (size_t tap = 0; tap < plan->taps; tap++) {
            const uint8_t *from = kernel + o * plan->tap_bytes + tap * pixel_bytes;
            uint8_t *to = result + o * size + tap * pixel_bytes;
            memcpy(to, from, whole);
            if (last)
                to[whole] = from[whole] & last;
        }
    }
    return result;
}

static void set_tap_sums(struct binary_plan *plan, const uint8_t *kernel) {
    size_t size = plan->steps * plan->form->step_bytes, pixel_bytes = (size_t)plan->shape.input_pixel_bytes;
    for (size_t o = 0; o < (size_t)plan->shape.channels_out; o++) {
        for (size_t tap = 0; tap < plan->taps; tap++) {
            const uint8_t *bytes = kernel + o * size + tap * pixel_bytes;
            int32_t negative = 0;
            for (size_t i = 0; i < pixel_bytes; i++)
                negative += __builtin_popcount(bytes[i]);
            plan->tap_sums[tap * plan->line + o] = plan->shape.channels_in - 2 * negative;
        }
    }
}

static bool fill(struct binary_plan *plan, const uint8_t *kernel, const float *multiplier, const float *bias,
                 const int32_t *threshold) {
    size_t channels = (size_t)plan->shape.channels_out, step_bytes = plan->form->step_bytes;
    plan->offsets = binary_zeros(plan->steps, sizeof *plan->offsets);
    plan->kernel = binary_zeros(plan->line, plan->steps * step_bytes * plan->form->spread + plan->form->extra);
    plan->limits = binary_zeros(plan->line, sizeof *plan->limits);
    plan->bases = binary_zeros(plan->line, sizeof *plan->bases);
    plan->multiplier = binary_zeros(plan->line, sizeof *plan->multiplier);
    plan->bias = binary_zeros(plan->line, sizeof *plan->bias);
    plan->tap_sums = plan->shape.zero_padding ? binary_zeros(plan->taps * plan->line, sizeof *plan->tap_sums) : NULL;
    uint8_t *tidied = tidy(plan, kernel);
    bool done = tidied && plan->offsets && plan->kernel && plan->limits && plan->bases && plan->multiplier &&
                plan->bias && (plan->tap_sums || !plan->shape.zero_padding);
    if (done) {
        set_offsets(plan);
        plan->form->pack(plan, tidied);
        if (plan->tap_sums)
            set_tap_sums(plan, tidied);
        for (size_t o = 0; o < channels; o++)
            plan->bases[o] = plan->products;
        if (plan->shape.output == BINARY_BITS) {
            for (size_t o = 0; o < channels; o++) /* K - sum is never below 0 nor above 2 K */
                plan->limits[o] = threshold[o] < 0 ? -1 : threshold[o] < plan->products ? threshold[o] : plan->products;
        } else {
            memcpy(plan->multiplier, multiplier, channels * sizeof *multiplier);
            memcpy(plan->bias, bias, channels * sizeof *bias);
        }
    }
    free(tidied);
    return done;
}

/* Rows that are computed at once are an even number, as forms that expand count two tiles at once. */
static void set_chunk(struct binary_plan *plan) {
    size_t line_bytes = plan->line * sizeof(int32_t), height = (size_t)plan->out_height;
    if (plan->layout == LAYOUT_GATHERED && plan->pixel_stride > line_bytes)
        line_bytes = plan->pixel_stride;
    size_t bytes = plan->form->expand ? EXPANDED_CHUNK_BYTES : CHUNK_BYTES;
    plan->chunk = bytes / line_bytes / MIN_CHUNK * MIN_CHUNK;
    if (plan->chunk < MIN_CHUNK)
        plan->chunk = MIN_CHUNK;
    size_t most = plan->chunk / (size_t)plan->out_width / 2 * 2;
    most = most < MAX_ROWS ? most : MAX_ROWS;
    plan->rows = 1;
    if (plan->form->expand && most && height > 1) {
        size_t groups = (height + most - 1) / most;
        plan->rows = ((height + groups - 1) / groups + 1) / 2 * 2;
    }
}

struct binary_plan *binary_prepare(const struct binary_convolution *convolution, const uint8_t *kernel,
                                   size_t kernel_size_bytes, const float *multiplier, const float *bias,
                                   const int32_t *threshold, char *why) {
    if (!is_sound(convolution, kernel_size_bytes, why))
        return NULL;
    struct binary_plan *plan = calloc(1, sizeof *plan);
    if (!plan) {
        binary_refuse(why, "no memory for a plan");
        return NULL;
    }
    struct binary_convolution *c = &plan->shape;
    *c = *convolution;
    plan->flat = c->kernel_height == 1 && c->kernel_width == 1 && c->stride_height == 1 && c->stride_width == 1;
    if (plan->flat) { /* the padding must be less than the kernel's one pixel, so that there is none */
        c->width *= c->height;
        c->height = 1;
    }
    binary_output_size(c, &plan->out_height, &plan->out_width);
    plan->taps = (size_t)c->kernel_height * (size_t)c->kernel_width;
    plan->tap_bytes = plan->taps * (size_t)c->input_pixel_bytes;
    plan->products = (int32_t)plan->taps * c->channels_in;
    c->zero_padding = c->zero_padding && (c->pad_top || c->pad_left || c->pad_bottom || c->pad_right);
    plan->form = binary_form_for(plan);
    plan->line = ((size_t)c->channels_out + plan->form->block - 1) / plan->form->block * plan->form->block;
    lay_out(plan);
    set_chunk(plan);
    if (!fill(plan, kernel, multiplier, bias, threshold)) {
        binary_release(plan);
        binary_refuse(why, "no memory for kernels of %zu bytes", kernel_size_bytes);
        return NULL;
    }
    return plan;
}

void binary_release(struct binary_plan *plan) {
    if (!plan)
        return;
    free(plan->offsets);
    free(plan->kernel);
    free(plan->tap_sums);
    free(plan->limits);
    free(plan->bases);
    free(plan->multiplier);
    free(plan->bias);
    free(plan);
}
