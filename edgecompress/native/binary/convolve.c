/* A convolution in chunks of an output row: bring the taps together, count, settle the padding, write. */
#include "internal.h"

#include <string.h>

static const int64_t WORTH_A_THREAD = 1 << 21; /* multiply-adds; some microseconds */

struct job {
    const struct binary_plan *plan;
    const uint8_t *input;
    void *output;
    int64_t rows, width; /* of all images; a plan that is flat has one row of all their pixels */
    int64_t chunks;      /* of a row */
    int64_t groups;      /* of rows, in an image */
    int64_t items;       /* chunks of all groups of all images */
    size_t parts;
};

/* One thread's buffers. */
struct work {
    uint8_t *taps;
    uint8_t *expanded; /* of all rows that are computed at once, for forms that expand */
    int32_t *counts;
    int32_t *missing; /* a line: what the padded taps of a pixel added to its sums */
    int32_t *edge;    /* a line: limits or bases without that */
};

static size_t rounded_up(size_t size) {
    return (size + 63) / 64 * 64;
}

static size_t taps_size(const struct binary_plan *plan) {
    switch (plan->layout) {
    case LAYOUT_ROWS:
        return (size_t)plan->shape.kernel_height * plan->row_bytes;
    case LAYOUT_GATHERED:
        return plan->chunk * plan->pixel_stride;
    default:
        return 0;
    }
}

static struct work work_for(const struct binary_plan *plan) {
    size_t taps = rounded_up(taps_size(plan)), line = rounded_up(plan->line * sizeof(int32_t));
    size_t counts = rounded_up(plan->chunk * plan->line * sizeof(int32_t));
    size_t pixels = plan->rows > 1 ? (size_t)plan->out_width : plan->chunk;
    size_t expanded = plan->form->expand ? rounded_up(plan->rows * plan->form->expanded_bytes(plan, pixels)) : 0;
    uint8_t *memory = binary_scratch(expanded + taps + counts + 2 * line);
    uint8_t *behind = memory + expanded + taps;
    return (struct work){
        .expanded = memory,
        .taps = memory + expanded,
        .counts = (int32_t *)behind,
        .missing = (int32_t *)(behind + counts),
        .edge = (int32_t *)(behind + counts + line),
    };
}

static void copy_rows(const struct binary_plan *plan, const uint8_t *image, int64_t row, uint8_t *to) {
    const struct binary_convolution *c = &plan->shape;
    size_t pixel_bytes = (size_t)c->input_pixel_bytes, bytes = (size_t)c->width * pixel_bytes;
    size_t before = (size_t)c->pad_left * pixel_bytes, after = (size_t)c->pad_right * pixel_bytes;
    for (int32_t tap = 0; tap < c->kernel_height; tap++, to += plan->row_bytes) {
        int64_t y = row * c->stride_height - c->pad_top + (int64_t)tap * c->dilation_height;
        if (y < 0 || y >= c->height) {
            memset(to, 0, plan->row_bytes);
            continue;
        }
        memset(to, 0, before);
        memcpy(to + before, image + (size_t)y * bytes, bytes);
        memset(to + before + bytes, 0, after);
    }
}

/* `count` pixels of an image's row from column x on, `gap` apart; 0 beside the image. */
static void gather_row(const uint8_t *row, int64_t width, int64_t x, int32_t count, int32_t gap, size_t pixel_bytes,
                       uint8_t *to) {
    if (gap == 1 && x >= 0 && x + count <= width) {
        memcpy(to, row + (size_t)x * pixel_bytes, (size_t)count * pixel_bytes);
        return;
    }
    for (; count; count--, x += gap, to += pixel_bytes) {
        if (x >= 0 && x < width)
            memcpy(to, row + (size_t)x * pixel_bytes, pixel_bytes);
        else
            memset(to, 0, pixel_bytes);
    }
}

static void gather(const struct binary_plan *plan, const uint8_t *image, int64_t row, int64_t first, size_t pixels,
                   int64_t width, uint8_t *to) {
    const struct binary_convolution *c = &plan->shape;
    size_t pixel_bytes = (size_t)c->input_pixel_bytes, row_bytes = (size_t)c->kernel_width * pixel_bytes;
    for (size_t pixel = 0; pixel < pixels; pixel++, to += plan->pixel_stride) {
        int64_t left = (first + (int64_t)pixel) * c->stride_width - c->pad_left;
        uint8_t *next = to;
        for (int32_t ky = 0; ky < c->kernel_height; ky++, next += row_bytes) {
            int64_t y = row * c->stride_height - c->pad_top + (int64_t)ky * c->dilation_height;
            if (y >= 0 && y < c->height)
                gather_row(image + (size_t)y * (size_t)width * pixel_bytes, width, left, c->kernel_width,
                           c->dilation_width, pixel_bytes, next);
            else
                memset(next, 0, row_bytes);
        }
        memset(next, 0, (size_t)(to + plan->pixel_stride - next));
    }
}

/* What the padded taps of an output pixel have added to its sums. */
static void sum_padding(const struct binary_plan *plan, int64_t row, int64_t column, int32_t *missing) {
    const struct binary_convolution *c = &plan->shape;
    const int32_t *sums = plan->tap_sums;
    memset(missing, 0, plan->line * sizeof *missing);
    for (int32_t ky = 0; ky < c->kernel_height; ky++) {
        int64_t y = row * c->stride_height - c->pad_top + (int64_t)ky * c->dilation_height;
        for (int32_t kx = 0; kx < c->kernel_width; kx++, sums += plan->line) {
            int64_t x = column * c->stride_width - c->pad_left + (int64_t)kx * c->dilation_width;
            if (y >= 0 && y < c->height && x >= 0 && x < c->width)
                continue;
            for (size_t o = 0; o < plan->line; o++)
                missing[o] += sums[o];
        }
    }
}

static bool has_padding(int64_t first, int32_t taps, int32_t dilation, int32_t size) {
    return first < 0 || first + (int64_t)(taps - 1) * dilation >= size;
}

/* With `missing` taken from the sum, K - sum = 2 m + missing, which may be odd; it is above 2 t exactly where
   m > floor(t - missing / 2). */
static const int32_t *without(const struct binary_plan *plan, const struct work *work) {
    const int32_t *missing = work->missing;
    int32_t *edge = work->edge;
    if (plan->shape.output == BINARY_BITS)
        for (size_t o = 0; o < plan->line; o++)
            edge[o] = plan->limits[o] - ((missing[o] + 1) >> 1);
    else
        for (size_t o = 0; o < plan->line; o++)
            edge[o] = plan->bases[o] - missing[o];
    return edge;
}

/* Pixels of a chunk that have the same padding; `pixel` counts from the chunk's first. */
static void write_pixels(const struct job *job, int64_t row, int64_t first, size_t pixel, size_t pixels,
                         const int32_t *constants, int32_t *counts) {
    const struct binary_plan *plan = job->plan;
    const struct binary_form *form = plan->form;
    size_t channels = (size_t)plan->shape.channels_out, at = (size_t)(row * job->width + first) + pixel;
    const int32_t *from = counts + pixel * plan->line;
    if (plan->shape.output == BINARY_BITS)
        form->write_bits(plan, from, pixels, constants,
                         (uint8_t *)job->output + at * (size_t)plan->shape.output_pixel_bytes);
    else if (plan->shape.output == BINARY_NHWC)
        form->write_floats(plan, from, pixels, constants, (float *)job->output + at * channels, channels);
    else /* in place, until the whole chunk can be transposed */
        form->write_floats(plan, from, pixels, constants, (float *)from, plan->line);
}

/* Neighbours that no column of padding touches have the same constants; the others have their own. */
static void write_with_padding(const struct job *job, int64_t row, int64_t first, size_t pixels,
                               const struct work *work, const int32_t *plain) {
    const struct binary_plan *plan = job->plan;
    const struct binary_convolution *c = &plan->shape;
    int64_t image_row = row % plan->out_height;
    bool above_or_below = has_padding(image_row * c->stride_height - c->pad_top, c->kernel_height, c->dilation_height,
                                      c->height);
    size_t begin = 0;
    for (size_t pixel = 0; pixel < pixels; pixel++) {
        int64_t column = first + (int64_t)pixel;
        bool beside = has_padding(column * c->stride_width - c->pad_left, c->kernel_width, c->dilation_width, c->width);
        bool next_beside = has_padding((column + 1) * c->stride_width - c->pad_left, c->kernel_width,
                                       c->dilation_width, c->width);
        if (!beside && !next_beside && pixel + 1 < pixels)
            continue;
        const int32_t *constants = plain;
        if (beside || above_or_below) {
            sum_padding(plan, image_row, column, work->missing);
            constants = without(plan, work);
        }
        write_pixels(job, row, first, begin, pixel + 1 - begin, constants, work->counts);
        begin = pixel + 1;
    }
}

static void write_chunk(const struct job *job, int64_t row, int64_t first, size_t pixels, const struct work *work) {
    const struct binary_plan *plan = job->plan;
    const int32_t *plain = plan->shape.output == BINARY_BITS ? plan->limits : plan->bases;
    int64_t image_row = row % plan->out_height;
    if (plan->tap_sums)
        write_with_padding(job, row, first, pixels, work, plain);
    else
        write_pixels(job, row, first, 0, pixels, plain, work->counts);
    if (plan->shape.output == BINARY_NCHW) {
        size_t channels = (size_t)plan->shape.channels_out;
        size_t plane = (size_t)plan->out_height * (size_t)plan->out_width;
        size_t image = (size_t)(row / plan->out_height) * channels * plane;
        float *output = (float *)job->output + image + (size_t)(image_row * job->width + first);
        plan->form->transpose((const float *)work->counts, plan->line, pixels, channels, output, plane);
    }
}

static int64_t share(int64_t count, size_t part, size_t parts) {
    return count / (int64_t)parts * (int64_t)part + count % (int64_t)parts * (int64_t)part / (int64_t)parts;
}

/* The taps of `pixels` neighbours, brought together where they must be; `copied` is the row that work->taps hold. */
static const uint8_t *taps_of(const struct job *job, int64_t row, int64_t first, size_t pixels,
                              const struct work *work, int64_t *copied) {
    const struct binary_plan *plan = job->plan;
    const struct binary_convolution *c = &plan->shape;
    int64_t in_width = plan->flat ? job->width : c->width, pixel_bytes = c->input_pixel_bytes;
    int64_t image_row = row % plan->out_height;
    const uint8_t *image = job->input + row / plan->out_height * c->height * in_width * pixel_bytes;
    if (plan->layout == LAYOUT_GATHERED) {
        gather(plan, image, image_row, first, pixels, in_width, work->taps);
        return work->taps;
    }
    if (plan->layout == LAYOUT_INPUT)
        return image + image_row * c->stride_height * in_width * pixel_bytes + (size_t)first * plan->pixel_stride;
    if (*copied != row)
        copy_rows(plan, image, image_row, work->taps);
    *copied = row;
    return work->taps + (size_t)first * plan->pixel_stride;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static void do_part(void *data, size_t part) {
    const struct job *job = data;
    const struct binary_plan *plan = job->plan;
    const struct binary_form *form = plan->form;
    struct work work = work_for(plan);
    int64_t copied = -1, end = share(job->items, part + 1, job->parts);
    for (int64_t item = share(job->items, part, job->parts); item < end; item++) {
        int64_t first = item % job->chunks * (int64_t)plan->chunk, group = item / job->chunks;
        int64_t image_row = group % job->groups * (int64_t)plan->rows;
        int64_t row = group / job->groups * plan->out_height + image_row;
        size_t pixels = (size_t)least(job->width - first, (int64_t)plan->chunk);
        size_t rows = (size_t)least(plan->out_height - image_row, (int64_t)plan->rows);
        const uint8_t *taps = NULL;
        for (size_t i = 0; i < rows; i++) {
            taps = taps_of(job, row + (int64_t)i, first, pixels, &work, &copied);
            if (form->expand)
                form->expand(plan, taps, pixels, work.expanded + i * form->expanded_bytes(plan, pixels));
        }
        form->count(plan, form->expand ? work.expanded : taps, rows * pixels, work.counts);
        struct work of_row = work;
        for (size_t i = 0; i < rows; i++, of_row.counts += pixels * plan->line)
            write_chunk(job, row + (int64_t)i, first, pixels, &of_row);
    }
}

void binary_convolve(const struct binary_plan *plan, const uint8_t *input, void *output, int64_t batch,
                     const struct binary_threads *threads) {
    bool one_row = plan->flat && plan->shape.output != BINARY_NCHW;
    struct job job = {
        .plan = plan,
        .input = input,
        .output = output,
        .rows = one_row ? 1 : batch * plan->out_height,
        .width = one_row ? batch * plan->out_width : plan->out_width,
        .parts = 1,
    };
    job.chunks = (job.width + (int64_t)plan->chunk - 1) / (int64_t)plan->chunk;
    job.groups = (plan->out_height + (int64_t)plan->rows - 1) / (int64_t)plan->rows;
    job.items = job.rows / plan->out_height * job.groups * job.chunks;
    if (batch < 1)
        return;
    if (threads && threads->count > 1) {
        int64_t work = job.rows * job.width * plan->shape.channels_out;
        int64_t worth = work / (WORTH_A_THREAD / plan->products + 1) + 1;
        job.parts = threads->count;
        if ((int64_t)job.parts > worth)
            job.parts = (size_t)worth;
        if ((int64_t)job.parts > job.items)
            job.parts = (size_t)job.items;
    }
    if (job.parts == 1)
        do_part(&job, 0);
    else
        threads->run(threads->context, do_part, job.parts, &job);
}
