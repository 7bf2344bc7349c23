/* What the runtimes' adapters share: clock, refusals, JSON strings, tensors, shared libraries. */
#include "session.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { REFUSED = 3 }; /* exit status */

static const size_t MAX_TENSOR_BYTES = 256u << 20;

int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

void print_string(const char *text) {
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            printf("\\%c", *c);
        else if (*c < 0x20 || *c > 0x7e)
            printf("\\u%04x", *c); /* bytes above ASCII as Latin-1: a name is only shown */
        else
            putchar(*c);
    }
    putchar('"');
}

_Noreturn void refuse(const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    __fpurge(stdout); /* an answer that had begun */
    printf("{\"refusal\": ");
    print_string(text);
    printf("}\n");
    fflush(stdout);
    _exit(REFUSED);
}

static _Noreturn void refuse_free(const char *name, size_t rank, const int64_t *shape) {
    char is[MAX_RANK * 24] = "", give[MAX_RANK * 24] = "";
    for (size_t axis = 0, is_end = 0, give_end = 0; axis < rank; axis++) {
        const char *times = axis ? "x" : "";
        char length[24];
        snprintf(length, sizeof length, "%lld", (long long)shape[axis]);
        is_end += (size_t)snprintf(is + is_end, sizeof is - is_end, "%s%s", times, shape[axis] < 0 ? "?" : length);
        give_end += (size_t)snprintf(give + give_end, sizeof give - give_end, "%s%s", times,
                                     shape[axis] >= 0 ? length : axis ? "N" : "1");
    }
    refuse("%.200s has the shape %s, of which only the first axis may be free: give --shape '%.200s=%s'", name, is, name,
           give);
}

void describe(struct tensor *tensor, const char *dtype, size_t item_bytes, size_t rank, const int64_t *shape) {
    if (!dtype)
        refuse("tensor %s is of a type that cannot be fed", tensor->name);
    if (rank > MAX_RANK)
        refuse("tensor %s has %zu axes; at most %d are allowed", tensor->name, rank, MAX_RANK);
    tensor->dtype = dtype;
    tensor->item_bytes = item_bytes;
    tensor->rank = rank;
    tensor->size_bytes = item_bytes;
    for (size_t axis = 0; axis < rank; axis++) {
        int64_t length = axis == 0 && shape[axis] < 0 ? 1 : shape[axis];
        if (length < 0)
            refuse_free(tensor->name, rank, shape);
        if (length > 0 && tensor->size_bytes > MAX_TENSOR_BYTES / (size_t)length)
            refuse("tensor %s takes more than %zu bytes", tensor->name, MAX_TENSOR_BYTES);
        tensor->shape[axis] = length;
        tensor->size_bytes *= (size_t)length;
    }
}

const int64_t *asked_shape(const struct options *options, const char *name, size_t input, size_t rank,
                           const int64_t *own) {
    if (!options->shape_count)
        return own;
    if (input >= options->shape_count || options->shapes[input].rank != rank)
        refuse("input %s has %zu axes, and another number was asked for", name, rank);
    return options->shapes[input].lengths;
}

void *open_library(const char *what, const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        refuse("cannot load the %s: %s", what, dlerror());
    return library;
}

void *symbol(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (!found)
        refuse("the library has no %s; it is another version", name);
    return found;
}

void *open_kernels(struct session *session, const char *path) {
    void *library = open_library("kernels", path);
    const char *name = ((const char *(*)(void))symbol(library, "binary_kernels"))();
    snprintf(session->kernels, sizeof session->kernels, "%s", name);
    return library;
}
