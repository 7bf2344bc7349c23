/* Opens copies of a TFLite file, each in memory of exactly its size: cut at every length, then changed at random. What
   is accepted is run, with LiteRT's part played here, on buffers of exactly the size, and then on those of another. For
   the sanitizers, by litert_ops_test.py: FILE, and the number of changed copies. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "include/litert_types.h"
#include "litert_file.h"
#include "litert_ops.h"

struct buffer { struct tensor_type type; size_t size_bytes; void *memory; };
static struct kernel kernel;
static void *data[MAX_OPERATORS];
static size_t count, ran, refused;

int LiteRtAddCustomOpKernelOption(void *options, const char *name, int version, const struct kernel *each, void *node) {
    (void)options, (void)name, (void)version;
    kernel = *each;
    data[count++] = node;
    return 0;
}
int LiteRtGetTensorBufferTensorType(struct buffer *b, struct tensor_type *type) { return *type = b->type, 0; }
int LiteRtGetTensorBufferSize(struct buffer *b, size_t *size) { return *size = b->size_bytes, 0; }
int LiteRtLockTensorBuffer(struct buffer *b, void **memory, int mode) { return (void)mode, *memory = b->memory, 0; }
int LiteRtUnlockTensorBuffer(struct buffer *b) { return (void)b, 0; }

static uint64_t state;
static uint64_t draw(void) {
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static struct buffer make(const struct layout *layout, size_t size_bytes) {
    struct buffer made = {{0, *layout}, size_bytes, malloc(size_bytes)};
    memset(made.memory, 0x5a, size_bytes);
    return made;
}

static void run(size_t i, const struct binary_operator *operator, int32_t batch, int32_t rows, size_t missing) {
    struct layout in = {.rank_and_flags = (uint32_t)operator->input.rank}, out;
    memcpy(in.shape, operator->input.lengths, sizeof in.shape);
    in.shape[0] = batch;
    in.shape[1] += rows;
    kernel.layouts(data[i], 1, &in, 1, &out);
    size_t in_bytes = 4, out_bytes = 4;
    for (uint32_t axis = 0; axis < in.rank_and_flags; axis++)
        in_bytes *= (size_t)in.shape[axis];
    for (uint32_t axis = 0; axis < out.rank_and_flags; axis++)
        out_bytes *= (size_t)out.shape[axis];
    if (in_bytes > 1 << 16 || out_bytes > 1 << 16)
        return;
    struct buffer input = make(&in, in_bytes - missing), output = make(&out, out_bytes - missing);
    int wrong = kernel.run(data[i], 1, (void *[]){&input}, 1, (void *[]){&output});
    if (wrong)
        refused++;
    else
        ran++;
    if (!wrong && (missing || (rows && !operator->constant)))
        abort();
    for (size_t at = 0; wrong && at < output.size_bytes; at++)
        if (((uint8_t *)output.memory)[at] != (operator->bits ? 0 : 0xff))
            abort();
    free(input.memory);
    free(output.memory);
}

static int try(const uint8_t *bytes, size_t size) {
    char why[256] = "";
    struct edgecompress_litert *litert = edgecompress_litert_open(bytes, size, 1, why);
    if (!litert) {
        if (!*why || strlen(why) > 255)
            abort();
        return 0;
    }
    struct binary_operator *operators;
    count = 0;
    if (edgecompress_litert_register(litert, dlopen(NULL, RTLD_NOW), NULL))
        abort();
    size_t found = (size_t)litert_find_operators(bytes, size, &operators, why);
    if (found != count)
        abort();
    for (size_t i = 0; i < found; i++) {
        run(i, &operators[i], 1 + (int32_t)(draw() % 3), 0, 0);
        run(i, &operators[i], 2, 1, 0);
        run(i, &operators[i], 1, 0, 1);
    }
    litert_release_operators(operators, found);
    edgecompress_litert_close(litert);
    return 1;
}

int main(int argument_count, char **arguments) {
    (void)argument_count;
    static uint8_t file[1 << 20];
    FILE *stream = fopen(arguments[1], "rb");
    size_t size = fread(file, 1, sizeof file, stream), accepted = 0, tries = strtoul(arguments[2], NULL, 10);
    fclose(stream);
    if (!try(file, size))
        abort();
    for (size_t i = 0; i < tries + size; i++) {
        size_t length = i < size ? i : size;
        uint8_t *bytes = malloc(length);
        memcpy(bytes, file, length);
        for (uint64_t changes = i < size ? 0 : 1 + draw() % 3; changes; changes--) {
            size_t at = draw() % size;
            const uint32_t special[] = {0, 1, 2, 4, 32, 127, 255, 65535, INT32_MAX, 1u << 31, UINT32_MAX,
                                        (uint32_t)size, (uint32_t)draw(), (uint32_t)(draw() % size)};
            uint32_t word = special[draw() % (sizeof special / sizeof *special)];
            if (draw() % 2)
                bytes[at] = (uint8_t)draw();
            else if ((at &= ~(size_t)3) + 4 <= size)
                memcpy(bytes + at, &word, 4);
        }
        accepted += (size_t)try(bytes, length);
        free(bytes);
    }
    printf("%zu %zu %zu\n", accepted, ran, refused);
    return 0;
}
