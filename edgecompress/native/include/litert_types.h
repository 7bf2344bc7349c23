/* LiteRT's C interface, version 2.3: the types that are needed. */
#ifndef EDGECOMPRESS_LITERT_TYPES_H
#define EDGECOMPRESS_LITERT_TYPES_H

#include <stddef.h>
#include <stdint.h>

typedef void *handle;
typedef int status;

struct layout {
    uint32_t rank_and_flags; /* 7 bits of rank, 1 of strides */
    int32_t shape[8];
    uint32_t strides[8];
};
struct tensor_type {
    int element_type;
    struct layout layout;
};
struct kernel { /* of a custom operator */
    status (*start)(void *data, const void *options, size_t size_bytes);
    status (*layouts)(void *data, size_t input_count, const struct layout *, size_t output_count, struct layout *);
    status (*run)(void *data, size_t input_count, const handle *inputs, size_t output_count, handle *outputs);
    status (*end)(void *data);
};

enum { LOCK_READ = 0, LOCK_WRITE = 1 };

#endif
