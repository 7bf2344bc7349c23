/* What the runner was told on its command line. */
#ifndef EDGECOMPRESS_OPTIONS_H
#define EDGECOMPRESS_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

enum { MAX_RANK = 8, MAX_TENSORS = 64, MAX_VARIABLES = 4096 };

struct shape {
    size_t rank;
    int64_t lengths[MAX_RANK];
};

struct options {
    const char *runtime, *library, *model;
    const char *kernels; /* NULL for the runtime's own alone */
    const char *inputs;  /* NULL for seeded noise */
    uint64_t seed;
    uint64_t cores; /* mask; 0: wherever the system likes */
    int threads, limit_s, marks;
    int about; /* tell about the device, and end */
    size_t shape_count; /* 0: the inputs' shapes are the file's; else one an input */
    struct shape shapes[MAX_TENSORS];
    size_t variable_count; /* tensors of a TFLite file that keep a value between inferences: */
    size_t variables[MAX_VARIABLES]; /* where in the file each says so, in one byte */
};

/* Take "1x512,,3" apart: the shape of one input after another, that of a scalar empty. Returns 0 if it is none. */
int read_shapes(const char *text, struct options *options);

/* Take "4831,4747" apart. Returns 0 if it is none. */
int read_variables(const char *text, struct options *options);

#endif
