/* What each binary operator says of itself, as the kernels want it. */
#include <stdlib.h>
#include <string.h>

#include "litert_reader.h"

enum { WORD_BITS = 32, WORD_BYTES = 4, MAX_OPTION = 1 << 16 };

/* The bytes of all but the first axis; 0 where they are too many. */
static size_t item_bytes(const struct shape *shape) {
    size_t bytes = WORD_BYTES;
    for (int32_t axis = 1; axis < shape->rank; axis++) {
        if ((size_t)shape->lengths[axis] > MAX_IMAGE_BYTES / bytes)
            return 0;
        bytes *= (size_t)shape->lengths[axis];
    }
    return bytes;
}

static int32_t words(int32_t channels) {
    return channels / WORD_BITS + (channels % WORD_BITS != 0);
}

/* The main input and the only output: whatever the operator, both have a batch and channels, and moderate sizes. */
static bool read_ends(struct reader *reader, struct binary_operator *operator, bool bits_in, int32_t rank) {
    struct tensor input, output;
    if (!read_tensor(reader, "input", reader->inputs, 0, bits_in ? INT32 : FLOAT32, &input) ||
        !read_tensor(reader, "output", reader->outputs, 0, operator->bits ? INT32 : FLOAT32, &output))
        return false;
    if (reader->outputs.length != 1 || output.data)
        return refuse(reader, "it does not have one output that it computes");
    if (input.shape.rank != output.shape.rank || input.shape.lengths[0] != output.shape.lengths[0] ||
        (rank ? input.shape.rank != rank : input.shape.rank < 2))
        return refuse(reader, "its input has %d axes, the first of length %d, and its output %d and %d",
                      input.shape.rank, input.shape.lengths[0], output.shape.rank, output.shape.lengths[0]);
    operator->input = input.shape;
    operator->output = output.shape;
    operator->input_bytes = item_bytes(&input.shape);
    operator->output_bytes = item_bytes(&output.shape);
    if (!operator->input_bytes || !operator->output_bytes)
        return refuse(reader, "its input or output takes more than %d bytes", MAX_IMAGE_BYTES);
    operator->constant = input.data;
    if (input.data && operator->kind != DEQUANTIZE)
        return refuse(reader, "its input is a constant");
    if (input.data && input.data_bytes != operator->input_bytes * (size_t)input.shape.lengths[0])
        return refuse(reader, "its input has %zu bytes of data, not those of its shape", input.data_bytes);
    return true;
}

/* TensorFlow's padding of one axis: half of what is missing, rounded down, before, and the rest after. */
static void pad(int32_t padding, int32_t length, int32_t taps, int32_t stride, int32_t dilation, int32_t *before,
                int32_t *after) {
    int64_t steps = (length - 1) / stride, reach = (int64_t)(taps - 1) * dilation + 1;
    int64_t missing = steps * stride + reach - length;
    if (padding == VALID_PADDING || missing < 0 || missing > INT32_MAX)
        missing = padding == VALID_PADDING || missing < 0 ? 0 : INT32_MAX;
    *before = (int32_t)(missing / 2);
    *after = (int32_t)(missing - missing / 2);
}

static bool check_output(struct reader *reader, const struct binary_operator *operator, int32_t height, int32_t width,
                         int32_t channels) {
    const int32_t *found = operator->output.lengths;
    if (found[1] == height && found[2] == width && found[3] == channels)
        return true;
    return refuse(reader, "its output is %d x %d x %d where %d x %d x %d is expected", found[1], found[2], found[3],
                  height, width, channels);
}

static bool read_quantize(struct reader *reader, struct binary_operator *operator) {
    bool to_bits = operator->bits = operator->kind == QUANTIZE;
    if (!read_ends(reader, operator, !to_bits, 0))
        return false;
    int32_t last = operator->input.rank - 1;
    struct shape expected = to_bits ? operator->input : operator->output;
    operator->channels = expected.lengths[last];
    expected.lengths[last] = words(operator->channels);
    if (memcmp(expected.lengths, (to_bits ? operator->output : operator->input).lengths,
               (size_t)expected.rank * sizeof *expected.lengths))
        return refuse(reader, "its input and output are not of one shape but for the words of their last axis");
    return true;
}

static bool read_max_pool(struct reader *reader, struct binary_operator *operator) {
    struct binary_pool *pool = &operator->pool;
    int32_t padding, height, width;
    operator->bits = true;
    if (!read_ends(reader, operator, true, 4) ||
        !read_option(reader, "padding", SAME_PADDING, VALID_PADDING, &padding) ||
        !read_option(reader, "filter_height", 1, MAX_OPTION, &pool->filter_height) ||
        !read_option(reader, "filter_width", 1, MAX_OPTION, &pool->filter_width) ||
        !read_option(reader, "stride_height", 1, MAX_OPTION, &pool->stride_height) ||
        !read_option(reader, "stride_width", 1, MAX_OPTION, &pool->stride_width))
        return false;
    const int32_t *input = operator->input.lengths;
    pool->height = input[1];
    pool->width = input[2];
    pool->pixel_bytes = input[3] * WORD_BYTES;
    pad(padding, pool->height, pool->filter_height, pool->stride_height, 1, &pool->pad_top, &pool->pad_bottom);
    pad(padding, pool->width, pool->filter_width, pool->stride_width, 1, &pool->pad_left, &pool->pad_right);
    char reason[BINARY_WHY];
    if (!binary_pool_sound(pool, reason))
        return refuse(reader, "%s", reason);
    binary_pool_size(pool, &height, &width);
    return check_output(reader, operator, height, width, input[3]);
}

/* Numbers a channel of output, copied to where they are aligned. */
static bool read_channels(struct reader *reader, const char *what, size_t place, uint64_t type, int32_t channels,
                          void **values) {
    struct tensor tensor;
    if (!read_tensor(reader, what, reader->inputs, place, type, &tensor))
        return false;
    size_t size = (size_t)channels * WORD_BYTES;
    if (tensor.shape.rank != 1 || tensor.shape.lengths[0] != channels || tensor.data_bytes != size)
        return refuse(reader, "there is no constant of %d numbers for its %s", channels, what);
    *values = malloc(size);
    if (!*values)
        return refuse(reader, "not enough memory");
    memcpy(*values, tensor.data, size);
    return true;
}

static bool read_window(struct reader *reader, struct binary_operator *operator, struct binary_convolution *geometry) {
    int32_t padding, activation, pad_values;
    if (!read_option(reader, "channels_in", 1, MAX_IMAGE_BYTES, &geometry->channels_in) ||
        !read_option(reader, "dilation_height_factor", 1, MAX_OPTION, &geometry->dilation_height) ||
        !read_option(reader, "dilation_width_factor", 1, MAX_OPTION, &geometry->dilation_width) ||
        !read_option(reader, "fused_activation_function", NO_ACTIVATION, RELU, &activation) ||
        !read_option(reader, "pad_values", 0, 1, &pad_values) ||
        !read_option(reader, "padding", SAME_PADDING, VALID_PADDING, &padding) ||
        !read_option(reader, "stride_height", 1, MAX_OPTION, &geometry->stride_height) ||
        !read_option(reader, "stride_width", 1, MAX_OPTION, &geometry->stride_width))
        return false;
    pad(padding, geometry->height, geometry->kernel_height, geometry->stride_height, geometry->dilation_height,
        &geometry->pad_top, &geometry->pad_bottom);
    pad(padding, geometry->width, geometry->kernel_width, geometry->stride_width, geometry->dilation_width,
        &geometry->pad_left, &geometry->pad_right);
    geometry->zero_padding = !pad_values && (geometry->pad_bottom || geometry->pad_right);
    geometry->relu = activation == RELU && !operator->bits; /* thresholds are of what comes out of it */
    if (geometry->zero_padding && operator->bits)
        return refuse(reader, "it pads with zeros and gives bits, for which there is no exact threshold");
    return true;
}

static bool read_convolution(struct reader *reader, struct binary_operator *operator) {
    struct tensor filter;
    /* What stands for a number a channel tells which of the two outputs it is. */
    operator->bits = is_absent(reader, 2);
    if (reader->inputs.length != 5 || is_absent(reader, 3) != operator->bits || is_absent(reader, 4) == operator->bits)
        return refuse(reader, "its inputs are not bits, filter, and either multiplier and bias or thresholds");
    if (!read_ends(reader, operator, true, 4) || !read_tensor(reader, "filter", reader->inputs, 1, INT32, &filter))
        return false;
    if (filter.shape.rank != 4 || !filter.data)
        return refuse(reader, "its filter is not a constant of 4 axes");
    const int32_t *input = operator->input.lengths, *taps = filter.shape.lengths;
    struct binary_convolution geometry = {
        .height = input[1],
        .width = input[2],
        .channels_out = taps[0],
        .kernel_height = taps[1],
        .kernel_width = taps[2],
        .input_pixel_bytes = input[3] * WORD_BYTES,
        .output_pixel_bytes = words(taps[0]) * WORD_BYTES,
        .output = operator->bits ? BINARY_BITS : BINARY_NHWC,
    };
    if (!read_window(reader, operator, &geometry))
        return false;
    if (input[3] != words(geometry.channels_in))
        return refuse(reader, "its input has %d words a pixel, not those of %d channels", input[3],
                      geometry.channels_in);
    if (taps[3] != input[3])
        return refuse(reader, "its filter has %d words a tap and its input %d; groups are not supported", taps[3],
                      input[3]);
    void *multiplier = NULL, *bias = NULL, *threshold = NULL;
    bool read = operator->bits ? read_channels(reader, "thresholds", 4, INT32, taps[0], &threshold)
                               : read_channels(reader, "multiplier", 2, FLOAT32, taps[0], &multiplier) &&
                                     read_channels(reader, "bias", 3, FLOAT32, taps[0], &bias);
    char reason[BINARY_WHY] = "";
    if (read)
        operator->plan = binary_prepare(&geometry, filter.data, filter.data_bytes, multiplier, bias, threshold, reason);
    free(multiplier);
    free(bias);
    free(threshold);
    if (!read)
        return false;
    if (!operator->plan)
        return refuse(reader, "%s", reason);
    int32_t height, width;
    binary_output_size(&geometry, &height, &width);
    return check_output(reader, operator, height, width, operator->bits ? words(taps[0]) : taps[0]);
}

bool read_operator(struct reader *reader, struct binary_operator *operator) {
    static bool (*const READ[])(struct reader *, struct binary_operator *) = {read_quantize, read_quantize,
                                                                              read_max_pool, read_convolution};
    return READ[operator->kind](reader, operator);
}
