/* Checks the binary kernels against plain loops over single bits, on random shapes in buffers of the exact size: for
   processors that only an emulator runs, and for sanitizers. Usage: binary_check SEED CASES [FORM...] */
#include "binary/binary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

static uint32_t noise(void) { /* xorshift64 */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

static int32_t between(int32_t least, int32_t most) {
    return least + (int32_t)(noise() % (uint32_t)(most - least + 1));
}

static void *buffer(size_t size) {
    void *memory = malloc(size);
    if (!memory)
        abort();
    return memory;
}

static void fail(const char *what, const struct binary_convolution *c) {
    printf("%s: %s differs: %dx%dx%d to %d, kernel %dx%d, stride %d %d, dilation %d %d, pads %d %d %d %d, pixel bytes "
           "%d %d, zero padding %d, relu %d\n",
           binary_kernels(), what, c->height, c->width, c->channels_in, c->channels_out, c->kernel_height,
           c->kernel_width, c->stride_height, c->stride_width, c->dilation_height, c->dilation_width, c->pad_top,
           c->pad_left, c->pad_bottom, c->pad_right, c->input_pixel_bytes, c->output_pixel_bytes, c->zero_padding,
           c->relu);
    exit(1);
}

static int sign_at(const uint8_t *pixel, int32_t channel) {
    return pixel[channel / 8] >> channel % 8 & 1 ? -1 : 1;
}

static uint8_t *random_pixels(size_t pixels, int32_t channels, int32_t pixel_bytes) {
    uint8_t *bytes = buffer(pixels * (size_t)pixel_bytes);
    memset(bytes, 0, pixels * (size_t)pixel_bytes);
    for (size_t pixel = 0; pixel < pixels; pixel++)
        for (int32_t o = 0; o < channels; o++)
            bytes[pixel * (size_t)pixel_bytes + (size_t)o / 8] |= (uint8_t)((noise() & 1) << o % 8);
    return bytes;
}

static void random_side(int32_t *size, int32_t *taps, int32_t *stride, int32_t *dilation, int32_t *before,
                        int32_t *after) {
    *taps = between(1, 4);
    *dilation = between(1, 2);
    *stride = between(1, 3);
    int32_t reach = (*taps - 1) * *dilation + 1;
    *before = between(0, reach - 1);
    *after = between(0, reach - 1);
    int32_t least = reach - *before - *after;
    *size = between(least < 1 ? 1 : least, (least < 1 ? 1 : least) + 14);
}

static struct binary_convolution random_convolution(void) {
    struct binary_convolution c = {.channels_in = between(1, 150), .channels_out = between(1, 150)};
    random_side(&c.height, &c.kernel_height, &c.stride_height, &c.dilation_height, &c.pad_top, &c.pad_bottom);
    random_side(&c.width, &c.kernel_width, &c.stride_width, &c.dilation_width, &c.pad_left, &c.pad_right);
    if (between(0, 2) == 0) { /* the words that run fastest */
        c.channels_in = 64 * between(1, 3);
        c.channels_out = 32 * between(1, 8);
    }
    int32_t word_bytes = between(0, 1) ? 1 : 4;
    c.input_pixel_bytes = (c.channels_in + 8 * word_bytes - 1) / (8 * word_bytes) * word_bytes;
    c.output_pixel_bytes = (c.channels_out + 8 * word_bytes - 1) / (8 * word_bytes) * word_bytes;
    c.zero_padding = between(0, 1);
    c.relu = between(0, 1);
    return c;
}

static int32_t sum_at(const struct binary_convolution *c, const uint8_t *image, const uint8_t *kernel, int32_t row,
                      int32_t column, int32_t o) {
    int32_t sum = 0;
    for (int32_t ky = 0; ky < c->kernel_height; ky++) {
        for (int32_t kx = 0; kx < c->kernel_width; kx++) {
            int32_t y = row * c->stride_height - c->pad_top + ky * c->dilation_height;
            int32_t x = column * c->stride_width - c->pad_left + kx * c->dilation_width;
            bool inside = y >= 0 && y < c->height && x >= 0 && x < c->width;
            const uint8_t *weights =
                kernel + (size_t)((o * c->kernel_height + ky) * c->kernel_width + kx) * (size_t)c->input_pixel_bytes;
            for (int32_t i = 0; i < c->channels_in; i++) {
                size_t at = (size_t)(y * c->width + x) * (size_t)c->input_pixel_bytes;
                int value = inside ? sign_at(image + at, i) : !c->zero_padding;
                sum += sign_at(weights, i) * value;
            }
        }
    }
    return sum;
}

static struct binary_plan *prepare(const struct binary_convolution *c, const uint8_t *kernel, const float *multiplier,
                                   const float *bias, const int32_t *threshold) {
    char why[BINARY_WHY];
    size_t size = (size_t)(c->channels_out * c->kernel_height * c->kernel_width) * (size_t)c->input_pixel_bytes;
    struct binary_plan *plan = binary_prepare(c, kernel, size, multiplier, bias, threshold, why);
    if (!plan)
        fail(why, c);
    return plan;
}

static void check_convolution(const struct binary_threads *threads) {
    struct binary_convolution c = random_convolution();
    int32_t batch = between(1, 2), height, width;
    size_t channels = (size_t)c.channels_out;
    binary_output_size(&c, &height, &width);
    size_t plane = (size_t)(height * width), pixels = (size_t)batch * plane, image = (size_t)(c.height * c.width);
    uint8_t *input = random_pixels((size_t)batch * image, c.channels_in, c.input_pixel_bytes);
    size_t taps = channels * (size_t)(c.kernel_height * c.kernel_width);
    uint8_t *kernel = random_pixels(taps, c.channels_in, c.input_pixel_bytes);
    int32_t products = c.channels_in * c.kernel_height * c.kernel_width;
    float *multiplier = buffer(4 * channels), *bias = buffer(4 * channels);
    int32_t *threshold = buffer(4 * channels);
    for (size_t o = 0; o < channels; o++) {
        multiplier[o] = (float)between(-1000, 1000) / 777;
        bias[o] = (float)between(-1000, 1000) / 33;
        threshold[o] = between(-2, 9) ? products / 2 + between(-3, 3) : (int32_t)noise();
    }
    size_t bits_size = pixels * (size_t)c.output_pixel_bytes;
    uint8_t *bits = buffer(bits_size), *wanted = buffer(bits_size);
    float *floats[2] = {buffer(4 * pixels * channels), buffer(4 * pixels * channels)};
    for (int output = BINARY_BITS; output <= BINARY_NCHW; output++) {
        c.output = (enum binary_output)output;
        struct binary_plan *plan = prepare(&c, kernel, multiplier, bias, threshold);
        binary_convolve(plan, input, output == BINARY_BITS ? (void *)bits : floats[output - 1], batch, threads);
        binary_release(plan);
    }
    memset(wanted, 0, bits_size);
    for (size_t pixel = 0; pixel < pixels; pixel++) {
        const uint8_t *from = input + pixel / plane * image * (size_t)c.input_pixel_bytes;
        int32_t row = (int32_t)(pixel % plane) / width, column = (int32_t)(pixel % plane) % width;
        for (size_t o = 0; o < channels; o++) {
            int32_t sum = sum_at(&c, from, kernel, row, column, (int32_t)o);
            volatile float scaled = (float)(c.relu && sum < 0 ? 0 : sum) * multiplier[o];
            volatile float result = scaled + bias[o];
            float expected = result;
            wanted[pixel * (size_t)c.output_pixel_bytes + o / 8] |=
                (uint8_t)((products - sum > 2 * (int64_t)threshold[o]) << o % 8);
            if (memcmp(&expected, &floats[0][pixel * channels + o], sizeof expected))
                fail("NHWC", &c);
            if (memcmp(&expected, &floats[1][(pixel / plane * channels + o) * plane + pixel % plane], sizeof expected))
                fail("NCHW", &c);
        }
    }
    if (memcmp(bits, wanted, bits_size))
        fail("bits", &c);
    free(input);
    free(kernel);
    free(multiplier);
    free(bias);
    free(threshold);
    free(bits);
    free(wanted);
    free(floats[0]);
    free(floats[1]);
}

static void check_quantization(void) {
    struct binary_convolution shape = {.channels_in = between(1, 70), .width = between(1, 200)};
    int32_t channels = shape.channels_in, pixel_bytes = (channels + 7) / 8 + between(0, 3);
    size_t pixels = (size_t)shape.width, count = pixels * (size_t)channels;
    float *values = buffer(4 * count), *across = buffer(4 * count), *back = buffer(4 * count);
    uint8_t *bits = buffer(pixels * (size_t)pixel_bytes), *others = buffer(pixels * (size_t)pixel_bytes);
    static const float special[] = {0.0f, -0.0f, -1e-45f, 1e-45f, -__builtin_inff(), __builtin_inff()};
    for (size_t i = 0; i < count; i++) {
        values[i] = between(0, 3) ? (float)between(-9, 9) : special[between(0, 5)];
        if (!between(0, 20))
            values[i] = __builtin_copysignf(__builtin_nanf(""), between(0, 1) ? 1.0f : -1.0f);
        across[i % (size_t)channels * pixels + i / (size_t)channels] = values[i];
    }
    binary_quantize_nhwc(values, bits, (int64_t)pixels, channels, pixel_bytes);
    binary_quantize_nchw(across, others, (int64_t)pixels, channels, pixel_bytes);
    binary_dequantize(bits, back, (int64_t)pixels, channels, pixel_bytes);
    for (size_t i = 0; i < count; i++)
        if (back[i] != (values[i] < 0 ? -1.0f : 1.0f))
            fail("quantization", &shape);
    if (memcmp(bits, others, pixels * (size_t)pixel_bytes))
        fail("quantization across", &shape);
    free(values);
    free(across);
    free(back);
    free(bits);
    free(others);
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fputs("usage: binary_check SEED CASES [FORM...]\n", stderr);
        return 2;
    }
    struct binary_threads *threads = binary_threads_start(3);
    for (int i = 3; i < argc || i == 3; i++) {
        state = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15 + 1;
        if (i < argc)
            setenv("EDGECOMPRESS_BINARY_KERNELS", argv[i], 1);
        for (int cases = atoi(argv[2]); cases > 0; cases--) {
            check_convolution(between(0, 1) ? threads : NULL);
            check_quantization();
        }
        printf("%s\n", binary_kernels());
    }
    binary_threads_stop(threads);
}
