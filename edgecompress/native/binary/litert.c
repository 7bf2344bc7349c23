#include "litert_ops.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../include/litert_types.h"
#include "binary.h"
#include "litert_file.h"

enum { OK = 0, INVALID_ARGUMENT = 1, NOT_FOUND = 6, ALIGNMENT = 64 };

#define FUNCTIONS(F) \
    F(AddCustomOpKernelOption, (handle, const char *, int, const struct kernel *, void *)) \
    F(GetTensorBufferTensorType, (handle, struct tensor_type *)) \
    F(GetTensorBufferSize, (handle, size_t *)) \
    F(LockTensorBuffer, (handle, void **, int)) \
    F(UnlockTensorBuffer, (handle))

#define DECLARE(name, arguments) status(*name) arguments;
struct edgecompress_litert {
    FUNCTIONS(DECLARE)
    uint8_t *file;
    size_t size_bytes, count, failures;
    struct binary_operator *operators;
    struct node *nodes; /* what the kernels are given, one an operator */
    struct binary_threads *threads;
};
struct node {
    struct edgecompress_litert *litert;
    const struct binary_operator *operator;
};

static status nothing(void *data, const void *options, size_t size_bytes) {
    (void)data, (void)options, (void)size_bytes;
    return OK;
}

static status end(void *data) {
    (void)data;
    return OK;
}

static bool fits(const struct layout *layout, const struct shape *shape) {
    return layout->rank_and_flags == (uint32_t)shape->rank && layout->shape[0] >= 0 &&
           !memcmp(layout->shape + 1, shape->lengths + 1, (size_t)(shape->rank - 1) * sizeof *shape->lengths);
}

/* LiteRT goes on whatever a kernel returns. So the output always gets a shape, the file's where the input has another
   than the file's, and is then filled with what no one takes for a result. */
static status layouts(void *data, size_t input_count, const struct layout *inputs, size_t output_count,
                      struct layout *outputs) {
    const struct binary_operator *operator = ((struct node *)data)->operator;
    bool sound = operator->constant || (input_count == 1 && fits(inputs, &operator->input));
    if (output_count != 1)
        return INVALID_ARGUMENT;
    *outputs = (struct layout){.rank_and_flags = (uint32_t)operator->output.rank};
    memcpy(outputs->shape, operator->output.lengths, sizeof outputs->shape);
    if (sound && !operator->constant)
        outputs->shape[0] = inputs->shape[0];
    return sound ? OK : INVALID_ARGUMENT;
}

/* What is in a tensor's buffer, if that has the shape but for the batch, and is as large as it says. */
static bool lock(struct edgecompress_litert *litert, handle buffer, int mode, const struct shape *shape,
                 size_t item_bytes, void **memory, size_t *batch) {
    struct tensor_type type;
    size_t size_bytes;
    if (litert->GetTensorBufferTensorType(buffer, &type) || !fits(&type.layout, shape) ||
        litert->GetTensorBufferSize(buffer, &size_bytes))
        return false;
    *batch = (size_t)type.layout.shape[0];
    return *batch <= size_bytes / item_bytes && !litert->LockTensorBuffer(buffer, memory, mode);
}

static void compute(const struct node *node, const void *input, void *output, size_t batch) {
    const struct binary_operator *operator = node->operator;
    const struct shape *wide = operator->kind == QUANTIZE ? &operator->input : &operator->output; /* of channels */
    int64_t pixels = (int64_t)batch;
    for (int32_t axis = 1; axis < wide->rank - 1; axis++)
        pixels *= wide->lengths[axis];
    int32_t pixel_bytes = (operator->channels + 31) / 32 * 4;
    switch (operator->kind) {
    case QUANTIZE:
        return binary_quantize_nhwc(input, output, pixels, operator->channels, pixel_bytes);
    case DEQUANTIZE:
        return binary_dequantize(input, output, pixels, operator->channels, pixel_bytes);
    case MAX_POOL:
        return binary_max_pool(&operator->pool, input, output, (int64_t)batch);
    default:
        return binary_convolve(operator->plan, input, output, (int64_t)batch, node->litert->threads);
    }
}

static void spoil(struct edgecompress_litert *litert, handle buffer, bool bits) {
    size_t size_bytes;
    void *memory;
    litert->failures++;
    if (litert->GetTensorBufferSize(buffer, &size_bytes) || litert->LockTensorBuffer(buffer, &memory, LOCK_WRITE))
        return;
    memset(memory, bits ? 0 : 0xff, size_bytes); /* a float32 of ones is not a number */
    litert->UnlockTensorBuffer(buffer);
}

static status run(void *data, size_t input_count, const handle *inputs, size_t output_count, handle *outputs) {
    struct node *node = data;
    struct edgecompress_litert *litert = node->litert;
    const struct binary_operator *operator = node->operator;
    void *input = (void *)operator->constant, *output;
    size_t batch = (size_t)operator->input.lengths[0], rows;
    if (output_count != 1)
        return INVALID_ARGUMENT;
    bool known = operator->constant;
    bool locked = known || (input_count == 1 && lock(litert, inputs[0], LOCK_READ, &operator->input,
                                                     operator->input_bytes, &input, &batch));
    bool sound =
        locked && lock(litert, outputs[0], LOCK_WRITE, &operator->output, operator->output_bytes, &output, &rows);
    if (sound) {
        if (rows == batch)
            compute(node, input, output, batch);
        litert->UnlockTensorBuffer(outputs[0]);
        sound = rows == batch;
    }
    if (locked && !known)
        litert->UnlockTensorBuffer(inputs[0]);
    if (!sound)
        spoil(litert, outputs[0], operator->bits);
    return sound ? OK : INVALID_ARGUMENT;
}

/* The constants are the kernels' already, and LiteRT would want them aligned and none left out. */
static void rename_operators(struct edgecompress_litert *litert) {
    for (size_t i = 0; i < litert->count; i++) {
        const struct binary_operator *operator = &litert->operators[i];
        memcpy(litert->file + operator->name_at, operator->name, strlen(operator->name));
        memcpy(litert->file + operator->inputs_at - 4, (uint8_t[]){!operator->constant, 0, 0, 0}, 4);
        litert->nodes[i] = (struct node){litert, operator};
    }
}

struct edgecompress_litert *edgecompress_litert_open(const void *file, size_t size_bytes, size_t threads, char *why) {
    struct edgecompress_litert *litert = calloc(1, sizeof *litert);
    snprintf(why, BINARY_WHY, "not enough memory");
    if (!litert)
        return NULL;
    litert->size_bytes = size_bytes;
    int count = -1;
    if (!posix_memalign((void **)&litert->file, ALIGNMENT, size_bytes + 1)) {
        memcpy(litert->file, file, size_bytes);
        count = litert_find_operators(litert->file, size_bytes, &litert->operators, why);
    }
    litert->count = count > 0 ? (size_t)count : 0;
    litert->nodes = calloc(litert->count + 1, sizeof *litert->nodes);
    if (count < 0 || !litert->nodes) {
        edgecompress_litert_close(litert);
        return NULL;
    }
    rename_operators(litert);
    if (threads > 1)
        litert->threads = binary_threads_start(threads);
    return litert;
}

const void *edgecompress_litert_model(const struct edgecompress_litert *litert, size_t *size_bytes) {
    *size_bytes = litert->size_bytes;
    return litert->file;
}

size_t edgecompress_litert_operators(const struct edgecompress_litert *litert) {
    return litert->count;
}

const char *edgecompress_litert_name(const struct edgecompress_litert *litert, const char *name) {
    for (size_t i = 0; i < litert->count; i++)
        if (!strcmp(litert->operators[i].name, name))
            return litert_kind_name(litert->operators[i].kind);
    return NULL;
}

int edgecompress_litert_register(struct edgecompress_litert *litert, void *library, void *options) {
#define LOOK_UP(name, arguments) litert->name = (status(*) arguments)dlsym(library, "LiteRt" #name);
    FUNCTIONS(LOOK_UP)
#define IS_MISSING(name, arguments) || !litert->name
    if (false FUNCTIONS(IS_MISSING))
        return NOT_FOUND;
    const struct kernel kernel = {nothing, layouts, run, end};
    status failed = OK;
    for (size_t i = 0; i < litert->count && !failed; i++)
        failed = litert->AddCustomOpKernelOption(options, litert->operators[i].name, litert->operators[i].version,
                                                 &kernel, &litert->nodes[i]);
    return failed;
}

size_t edgecompress_litert_failures(const struct edgecompress_litert *litert) {
    return litert->failures;
}

void edgecompress_litert_close(struct edgecompress_litert *litert) {
    if (litert->threads)
        binary_threads_stop(litert->threads);
    if (litert->operators)
        litert_release_operators(litert->operators, litert->count);
    free(litert->nodes);
    free(litert->file);
    free(litert);
}
