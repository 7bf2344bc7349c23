/* What the files of the operators in ONNX Runtime share. */
#ifndef EDGECOMPRESS_ONNX_H
#define EDGECOMPRESS_ONNX_H

#include "binary.h"
#include "../include/ort_api.h"

#include <pthread.h>

enum { MAX_RANK = 4, MAX_INPUTS = 4, MAX_LENGTH = 1 << 24, MAX_PLANS = 16 };

enum kind { QUANTIZE, CONVOLVE, CONVOLVE_BITS, MAX_POOL };

struct operator {
    struct ort_operator base; /* first: ONNX Runtime hands out pointers to it */
    const char *name;
    enum kind kind;
    size_t input_count;
    int input_types[MAX_INPUTS], output_type;
};

struct tensor {
    const void *data;
    size_t rank;
    int64_t shape[MAX_RANK];
};

/* What is computed for one image size. */
struct sized_plan {
    int32_t height, width;
    struct binary_plan *plan;
};

struct kernel {
    ort_api api;
    const struct operator* operator;
    struct binary_convolution convolution; /* for all image sizes */
    struct binary_pool pool;
    size_t processors;
    pthread_mutex_t guard; /* of the plans, which several threads may want at once */
    size_t plan_count;
    struct sized_plan plans[MAX_PLANS];
};

#pragma GCC visibility push(hidden)

__attribute__((format(printf, 2, 3))) ort_status onnx_refuse(const struct kernel *kernel, const char *format, ...);

ort_status onnx_read_int(struct kernel *kernel, ort_handle info, const char *name, int32_t lowest, int32_t highest,
                         int32_t *value);
ort_status onnx_read_ints(struct kernel *kernel, ort_handle info, const char *name, size_t count, int32_t lowest,
                          int32_t *values);

/* An input of the type that the operator declares; `rank` 0 is any. `name` is for refusals. */
ort_status onnx_view_input(struct kernel *kernel, ort_handle context, size_t index, size_t rank, const char *name,
                           struct tensor *tensor);
/* The same before the model runs, which is for constants only. */
ort_status onnx_view_constant(struct kernel *kernel, ort_handle info, size_t index, size_t rank, const char *name,
                              struct tensor *tensor);
ort_status onnx_make_output(struct kernel *kernel, ort_handle context, const int64_t *shape, size_t rank, void **data);

/* Reads and checks the attributes and constants of a node. */
ort_status onnx_create(const struct ort_operator *base, ort_api api, ort_handle info, void **kernel);
ort_status onnx_compute(void *kernel, ort_handle context);
void onnx_destroy(void *kernel);

#pragma GCC visibility pop

#endif
