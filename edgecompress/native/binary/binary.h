/* Binary convolution, dense layer, max-pool and quantization on packed bits: plain C, no dependency but pthreads.

   Bit 1 is -1 and bit 0 is +1; sign(x) is -1 where x < 0. A pixel is the bits of its channels, bit i of byte b being
   channel 8 b + i, padded with 0 to `pixel_bytes`. Images are height x width x pixel_bytes, kernels
   channels_out x kernel_height x kernel_width x pixel_bytes.

   For each output, with K = channels_in * kernel_height * kernel_width and m mismatching bits, the sum of the +-1
   products is K - 2 m. A dense layer is a convolution over one pixel. */
#ifndef EDGECOMPRESS_BINARY_H
#define EDGECOMPRESS_BINARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum binary_output {
    BINARY_BITS, /* bit o is 1 where K - sum > 2 * threshold[o] */
    BINARY_NHWC, /* float32: max(sum, 0) or sum, times multiplier[o], rounded, plus bias[o], rounded */
    BINARY_NCHW, /* the same numbers, channels first */
};

struct binary_convolution {
    int32_t height, width, channels_in, channels_out;
    int32_t kernel_height, kernel_width, stride_height, stride_width, dilation_height, dilation_width;
    int32_t pad_top, pad_left, pad_bottom, pad_right;
    int32_t input_pixel_bytes, output_pixel_bytes; /* the second for BINARY_BITS only */
    bool zero_padding;                             /* a padded tap adds 0 to the sum; else it is +1 */
    bool relu;                                     /* for float outputs only */
    enum binary_output output;
};

/* Call task(data, i) for each i below count, on as many threads as the caller likes; return when all are done. */
struct binary_threads {
    void (*run)(void *context, void (*task)(void *data, size_t index), size_t count, void *data);
    void *context;
    size_t count; /* into how many parts work is worth splitting */
};

struct binary_plan;

/* Pack the kernels for this processor. `multiplier` and `bias` are read for float outputs, `threshold` for bits; all
   are copied. Returns NULL and writes a sentence to `why` (of at least BINARY_WHY bytes) for a geometry that is not
   sound: sizes below 1 or too large, more kernel than padded image, paddings as large as the kernel, pixel bytes that
   do not hold the channels, kernels of another size than `kernel_size_bytes`. */
enum { BINARY_WHY = 256 };
struct binary_plan *binary_prepare(const struct binary_convolution *convolution, const uint8_t *kernel,
                                   size_t kernel_size_bytes, const float *multiplier, const float *bias,
                                   const int32_t *threshold, char *why);
void binary_release(struct binary_plan *plan);

void binary_output_size(const struct binary_convolution *convolution, int32_t *height, int32_t *width);

/* Convolve `batch` images; a plan may run on several threads at once. `threads` NULL means this thread alone. */
void binary_convolve(const struct binary_plan *plan, const uint8_t *input, void *output, int64_t batch,
                     const struct binary_threads *threads);

/* Signs of float32 to bits; `pixels` times `channels` values, channels last, or `channels` times `pixels`. */
void binary_quantize_nhwc(const float *input, uint8_t *output, int64_t pixels, int32_t channels, int32_t pixel_bytes);
void binary_quantize_nchw(const float *input, uint8_t *output, int64_t pixels, int32_t channels, int32_t pixel_bytes);

/* Bits to float32 +-1. */
void binary_dequantize(const uint8_t *input, float *output, int64_t pixels, int32_t channels, int32_t pixel_bytes);

/* The greatest of each window: the bitwise and of its pixels. Windows reach over the edge where padded. */
struct binary_pool {
    int32_t height, width, pixel_bytes;
    int32_t filter_height, filter_width, stride_height, stride_width;
    int32_t pad_top, pad_left, pad_bottom, pad_right;
};
bool binary_pool_sound(const struct binary_pool *pool, char *why);
void binary_pool_size(const struct binary_pool *pool, int32_t *height, int32_t *width);
void binary_max_pool(const struct binary_pool *pool, const uint8_t *input, uint8_t *output, int64_t batch);

/* Which code a plan made from now on will use: "amx", "avx512_popcnt", "avx512", "avx2", "neon" or "portable". The best
   that the processor has, unless the environment variable EDGECOMPRESS_BINARY_KERNELS names another that it has. A plan
   whose geometry that code cannot compute uses the next best, and so does one that "amx" would compute slower, unless
   the variable names it. */
const char *binary_kernels(void);

/* Threads of the library's own, for callers that have none; count includes the caller's. */
struct binary_threads *binary_threads_start(size_t count);
void binary_threads_stop(struct binary_threads *threads);

#endif
