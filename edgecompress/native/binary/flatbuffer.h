/* A flatbuffer, read without belief in its offsets: what would lie outside of its bytes reads as 0, and `damaged` is
   set. A table is the position of its first byte; 0 is no table, since an offset stands there. */
#ifndef EDGECOMPRESS_FLATBUFFER_H
#define EDGECOMPRESS_FLATBUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flatbuffer {
    const uint8_t *bytes;
    size_t size;
    bool damaged;
};

struct flat_vector {
    size_t at; /* of its first item; its length stands in the four bytes before */
    size_t length;
};

/* A little-endian number of 1, 2, 4 or 8 bytes. */
uint64_t flat_number(struct flatbuffer *flat, size_t at, size_t width);

size_t flat_root(struct flatbuffer *flat);

/* A field of a table, by its place in the schema; `absent` where the table does not have it. */
uint64_t flat_scalar(struct flatbuffer *flat, size_t table, size_t field, size_t width, uint64_t absent);

/* A vector or string of a table, all of it within the bytes; of length 0 where the table does not have it. */
struct flat_vector flat_vector(struct flatbuffer *flat, size_t table, size_t field, size_t item_bytes);

/* The table that an item of a vector of tables points to. */
size_t flat_table(struct flatbuffer *flat, struct flat_vector vector, size_t index);

#endif
