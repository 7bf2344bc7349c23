/* A loaded model, whichever runtime holds it, and what every part of the runner needs: a clock, JSON, a way to end. */
#ifndef EDGECOMPRESS_SESSION_H
#define EDGECOMPRESS_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "options.h"

struct tensor {
    char name[256];
    const char *dtype; /* NumPy's name */
    size_t item_bytes;
    size_t rank;
    int64_t shape[MAX_RANK];
    size_t size_bytes;
    void *handle; /* the runtime's own */
};

struct session {
    struct tensor inputs[MAX_TENSORS], outputs[MAX_TENSORS];
    size_t input_count, output_count;
    int64_t library_ns, load_ns, compile_ns;
    char version[64]; /* empty where the library does not tell */
    char kernels[32]; /* which code of our own kernels runs; empty where they are not loaded */
    char interpreter[128]; /* why the runtime's interpreter runs the model; empty where it runs as it should */
    void (*run)(struct session *);
    void (*write_input)(struct session *, size_t index, const void *data);
    void (*forget)(struct session *); /* what was kept of earlier inferences; NULL where nothing is */
    /* Calls `visit` with each output's bytes, in order. */
    void (*read_outputs)(struct session *, void (*visit)(const void *data, size_t size_bytes, void *context),
                         void *context);
    /* Prints the members of a JSON object about `runs` profiled inferences in a second, instrumented instance. */
    void (*print_operators)(struct session *, int runs);
    void *state;
};

/* Load a model, fill in tensors and times; on failure both end the process through `refuse`. */
void litert_open(struct session *session, const struct options *options);
void onnx_open(struct session *session, const struct options *options);

int64_t now_ns(void);

/* Print one JSON line that says why, and end the process. */
_Noreturn void refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print a JSON string, escaped. */
void print_string(const char *text);

/* Set a tensor's type by NumPy's name, its shape and size; a free first axis becomes 1, any other is refused. */
void describe(struct tensor *tensor, const char *dtype, size_t item_bytes, size_t rank, const int64_t *shape);

/* The shape that was asked for an input whose own is that long, or its own where none was. */
const int64_t *asked_shape(const struct options *options, const char *name, size_t input, size_t rank,
                           const int64_t *own);

/* dlopen and dlsym, or `refuse`. */
void *open_library(const char *what, const char *path);
void *symbol(void *library, const char *name);

/* Load our own kernels, and note which they are. */
void *open_kernels(struct session *session, const char *path);

#endif
