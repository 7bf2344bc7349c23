/* Multiply-adds per second of each form of the binary kernels, bits in and bits out, one thread, and beside them the
   bound of table look-up on this processor: one vpshufb and one vpaddb of 512 bits for 256 of them. All take turns.

   Usage: binary_kernel_speed ROUNDS, linked with the kernels. Prints JSON. */
#include "binary.h"

#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHAPES = 3, FORMS = 5, MAX_ROUNDS = 1000, PAIRS = 16, LOOPS = 200000 };

static const struct {
    int side, channels;
} shapes[SHAPES] = {{56, 64}, {28, 128}, {14, 256}};
static const char *const forms[FORMS] = {"amx", "avx512_popcnt", "avx512", "avx2", "portable"};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

/* Sixteen independent sums, so that latencies hide behind one another. */
__attribute__((target("avx512f,avx512bw"))) static double bound(void) {
    double start = now();
#define PAIR(n) "vpshufb %%zmm30, %%zmm31, %%zmm29\n vpaddb %%zmm29, %%zmm" #n ", %%zmm" #n "\n"
    for (int i = 0; i < LOOPS; i++)
        __asm__ volatile(PAIR(0) PAIR(1) PAIR(2) PAIR(3) PAIR(4) PAIR(5) PAIR(6) PAIR(7) PAIR(8) PAIR(9) PAIR(10)
                             PAIR(11) PAIR(12) PAIR(13) PAIR(14) PAIR(15)::
                                 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                                   "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm29");
    return (double)LOOPS * PAIRS * 256 / (now() - start) / 1e9;
}

static struct binary_plan *prepare(int side, int channels, const char *form) {
    setenv("EDGECOMPRESS_BINARY_KERNELS", form, 1);
    if (strcmp(binary_kernels(), form) != 0)
        return NULL;
    int bytes = channels / 8;
    size_t size = (size_t)channels * 9 * (size_t)bytes;
    uint8_t *kernel = malloc(size);
    int32_t *threshold = malloc((size_t)channels * sizeof *threshold);
    for (size_t i = 0; i < size; i++)
        kernel[i] = (uint8_t)(rand() >> 7);
    for (int i = 0; i < channels; i++)
        threshold[i] = 9 * channels / 2;
    struct binary_convolution convolution = {
        .height = side, .width = side, .channels_in = channels, .channels_out = channels,
        .kernel_height = 3, .kernel_width = 3, .stride_height = 1, .stride_width = 1,
        .dilation_height = 1, .dilation_width = 1, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1,
        .input_pixel_bytes = bytes, .output_pixel_bytes = bytes, .output = BINARY_BITS,
    };
    char why[BINARY_WHY];
    struct binary_plan *plan = binary_prepare(&convolution, kernel, size, NULL, NULL, threshold, why);
    if (!plan) {
        fprintf(stderr, "%s\n", why);
        exit(1);
    }
    free(kernel);
    free(threshold);
    return plan;
}

int main(int count, char **arguments) {
    int rounds = count > 1 ? atoi(arguments[1]) : 41;
    if (rounds < 1 || rounds > MAX_ROUNDS)
        return 1;
    unsetenv("EDGECOMPRESS_BINARY_KERNELS");
    char best[64];
    snprintf(best, sizeof best, "%s", binary_kernels());
    static double speeds[SHAPES][FORMS][MAX_ROUNDS], bounds[MAX_ROUNDS];
    struct binary_plan *plans[SHAPES][FORMS];
    uint8_t *images[SHAPES], *results[SHAPES];
    for (int s = 0; s < SHAPES; s++) {
        size_t size = (size_t)shapes[s].side * (size_t)shapes[s].side * (size_t)shapes[s].channels / 8;
        images[s] = malloc(size);
        results[s] = malloc(size);
        for (size_t i = 0; i < size; i++)
            images[s][i] = (uint8_t)(rand() >> 7);
        for (int f = 0; f < FORMS; f++)
            plans[s][f] = prepare(shapes[s].side, shapes[s].channels, forms[f]);
    }
    for (int round = -1; round < rounds; round++) { /* the first warms up */
        double found = bound();
        if (round >= 0)
            bounds[round] = found;
        for (int s = 0; s < SHAPES; s++)
            for (int f = 0; f < FORMS; f++) {
                if (!plans[s][f])
                    continue;
                int runs = f == FORMS - 1 ? 2 : 10;
                double start = now();
                for (int run = 0; run < runs; run++)
                    binary_convolve(plans[s][f], images[s], results[s], 1, NULL);
                double products = (double)shapes[s].side * shapes[s].side * 9 * shapes[s].channels * shapes[s].channels;
                if (round >= 0)
                    speeds[s][f][round] = products * runs / (now() - start) / 1e9;
            }
    }
    printf("{\"best\": \"%s\", \"rounds\": %d, \"bound_gmacs\": %.1f, \"kernels\": [", best, rounds,
           median(bounds, rounds));
    const char *comma = "";
    for (int s = 0; s < SHAPES; s++)
        for (int f = 0; f < FORMS; f++)
            if (plans[s][f]) {
                printf("%s{\"shape\": \"%dx%dx%d\", \"form\": \"%s\", \"gmacs\": %.1f}", comma, shapes[s].side,
                       shapes[s].side, shapes[s].channels, forms[f], median(speeds[s][f], rounds));
                comma = ", ";
            }
    printf("]}\n");
    return 0;
}
