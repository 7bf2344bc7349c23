/* The greatest of +1 and -1: bit 1 is -1, so that it is the bitwise and; what is padded does not take part. */
#include "internal.h"

#include <string.h>

enum { MAX_SIDE = 65536, MAX_BYTES = 1 << 30 };

static bool side_is_sound(const char *name, int32_t size, int32_t filter, int32_t stride, int32_t before,
                          int32_t after, char *why) {
    if (size < 1 || size > MAX_SIDE || filter < 1 || filter > MAX_SIDE || stride < 1 || stride > MAX_SIDE)
        return binary_refuse(why, "the pool's %s is %d, filter %d, stride %d; each must be 1 to %d", name, size, filter,
                             stride, MAX_SIDE);
    if (before < 0 || after < 0 || before >= filter || after >= filter)
        return binary_refuse(why, "the pool's %s is padded by %d and %d; it must be 0 or more and less than %d", name,
                             before, after, filter);
    if ((int64_t)filter > (int64_t)size + before + after)
        return binary_refuse(why, "the pool's %s is %lld with padding, less than its filter of %d", name,
                             (long long)size + before + after, filter);
    return true;
}

bool binary_pool_sound(const struct binary_pool *p, char *why) {
    if (!side_is_sound("height", p->height, p->filter_height, p->stride_height, p->pad_top, p->pad_bottom, why) ||
        !side_is_sound("width", p->width, p->filter_width, p->stride_width, p->pad_left, p->pad_right, why))
        return false;
    if (p->pixel_bytes < 1 || p->pixel_bytes > MAX_BYTES)
        return binary_refuse(why, "a pixel has %d bytes; it must be 1 to %d", p->pixel_bytes, MAX_BYTES);
    int32_t height, width;
    binary_pool_size(p, &height, &width);
    uint64_t in = (uint64_t)p->height * (uint64_t)p->width, out = (uint64_t)height * (uint64_t)width;
    if (in * (uint64_t)p->pixel_bytes > MAX_BYTES || out * (uint64_t)p->pixel_bytes > MAX_BYTES)
        return binary_refuse(why, "the pool's images are larger than %d bytes", MAX_BYTES);
    return true;
}

void binary_pool_size(const struct binary_pool *p, int32_t *height, int32_t *width) {
    *height = (int32_t)(((int64_t)p->height + p->pad_top + p->pad_bottom - p->filter_height) / p->stride_height + 1);
    *width = (int32_t)(((int64_t)p->width + p->pad_left + p->pad_right - p->filter_width) / p->stride_width + 1);
}

BINARY_INLINE void take_in(uint8_t *result, const uint8_t *pixel, size_t bytes) {
    size_t i = 0;
    for (; i + sizeof(uint64_t) <= bytes; i += sizeof(uint64_t)) {
        uint64_t one, other;
        memcpy(&one, result + i, sizeof one);
        memcpy(&other, pixel + i, sizeof other);
        one &= other;
        memcpy(result + i, &one, sizeof one);
    }
    for (; i < bytes; i++)
        result[i] &= pixel[i];
}

/* The part of a window that lies on the image; never empty, as the padding is less than the filter. */
static void inside(int32_t index, int32_t stride, int32_t before, int32_t filter, int32_t size, int64_t *begin,
                   int64_t *end) {
    int64_t first = (int64_t)index * stride - before, last = first + filter;
    *begin = first < 0 ? 0 : first;
    *end = last > size ? size : last;
}

void binary_max_pool(const struct binary_pool *p, const uint8_t *input, uint8_t *output, int64_t batch) {
    size_t bytes = (size_t)p->pixel_bytes, row_bytes = (size_t)p->width * bytes;
    int32_t height, width;
    binary_pool_size(p, &height, &width);
    for (int64_t image = 0; image < batch; image++, input += (size_t)p->height * row_bytes) {
        for (int32_t row = 0; row < height; row++) {
            int64_t top, bottom;
            inside(row, p->stride_height, p->pad_top, p->filter_height, p->height, &top, &bottom);
            for (int32_t column = 0; column < width; column++, output += bytes) {
                int64_t left, right;
                inside(column, p->stride_width, p->pad_left, p->filter_width, p->width, &left, &right);
                memcpy(output, input + (size_t)top * row_bytes + (size_t)left * bytes, bytes);
                for (int64_t y = top; y < bottom; y++)
                    for (int64_t x = left; x < right; x++)
                        take_in(output, input + (size_t)y * row_bytes + (size_t)x * bytes, bytes);
            }
        }
    }
}
