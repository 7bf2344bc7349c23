/* The binary operators of a TFLite file, by the names that Larq Compute Engine gives them, checked against all that the
   file says of them. Bits are int32 tensors, a pixel padded to whole words. */
#ifndef EDGECOMPRESS_LITERT_FILE_H
#define EDGECOMPRESS_LITERT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "binary.h"

enum { MAX_AXES = 8, MAX_NAME = 16, MAX_OPERATORS = 1000 }; /* their numbers have three digits */

enum binary_kind { QUANTIZE, DEQUANTIZE, MAX_POOL, CONVOLUTION, BINARY_KINDS };

struct shape {
    int32_t rank, lengths[MAX_AXES];
};

struct binary_operator {
    enum binary_kind kind;
    struct shape input, output;       /* the first length is a batch, which may change between inferences */
    size_t input_bytes, output_bytes; /* of one of the batch */
    bool bits;                        /* whether the output is bits; else float32 */
    const uint8_t *constant;          /* in the file's bytes, where it is known before any inference; or NULL */
    int32_t channels;                 /* of QUANTIZE and DEQUANTIZE */
    struct binary_pool pool;
    struct binary_plan *plan; /* of CONVOLUTION, owned */
    size_t code;               /* its entry in the file's operator codes */
    size_t name_at, inputs_at; /* where in the file their characters and indices stand, their lengths before them */
    char name[MAX_NAME];       /* one of the same length that no other operator has */
    int32_t version;
};

/* Returns their number and an array to be given to `litert_release_operators`, or -1 and a sentence in `why` (of
   BINARY_WHY bytes). */
int litert_find_operators(const uint8_t *file, size_t size_bytes, struct binary_operator **operators, char *why);
void litert_release_operators(struct binary_operator *operators, size_t count);

/* What the file calls a kind. */
const char *litert_kind_name(enum binary_kind kind);

#endif
