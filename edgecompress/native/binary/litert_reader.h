/* Reads what TFLite's schema says of an operator; each function that returns false has said why. */
#ifndef EDGECOMPRESS_LITERT_READER_H
#define EDGECOMPRESS_LITERT_READER_H

#include "flatbuffer.h"
#include "litert_file.h"

enum { SAME_PADDING = 0, VALID_PADDING = 1, NO_ACTIVATION = 0, RELU = 1 }; /* as options number them */
enum { FLOAT32 = 0, INT32 = 2 };                                          /* types of tensors */
enum { INDEX_BYTES = 4, MAX_IMAGE_BYTES = 256 << 20 };

struct reader {
    struct flatbuffer flat;
    struct flat_vector codes, buffers, tensors;
    struct flat_vector inputs, outputs, options; /* of the operator at hand */
    char where[64];                              /* starts every refusal */
    char *why;
};

struct tensor {
    struct shape shape;
    uint64_t type;
    const uint8_t *data; /* NULL where it is computed */
    size_t data_bytes;
};

/* Write a refusal; returns false. */
bool refuse(struct reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

bool intact(struct reader *reader);

/* One of an operator's inputs or outputs, `what` in refusals, which must be of the type. */
bool read_tensor(struct reader *reader, const char *what, struct flat_vector indices, size_t place, uint64_t type,
                 struct tensor *tensor);

/* Whether an optional input is left out. */
bool is_absent(struct reader *reader, size_t place);

/* One of the operator's options, which must be there, and in the range. */
bool read_option(struct reader *reader, const char *key, int32_t least, int32_t most, int32_t *value);

/* All that belongs to an operator of a known kind, for which `reader` has the vectors. */
bool read_operator(struct reader *reader, struct binary_operator *operator);

#endif
