#include "flatbuffer.h"

enum { OFFSET_BYTES = 4, VTABLE_HEADER_BYTES = 4, VTABLE_ENTRY_BYTES = 2 };

static bool within(struct flatbuffer *flat, size_t at, size_t size) {
    if (at > flat->size || size > flat->size - at)
        flat->damaged = true;
    return !flat->damaged;
}

uint64_t flat_number(struct flatbuffer *flat, size_t at, size_t width) {
    uint64_t value = 0;
    if (within(flat, at, width))
        for (size_t i = 0; i < width; i++)
            value |= (uint64_t)flat->bytes[at + i] << (8 * i);
    return value;
}

/* Where the offset at a position points; offsets count from where they stand, and only forwards. */
static size_t follow(struct flatbuffer *flat, size_t at) {
    size_t offset = flat_number(flat, at, OFFSET_BYTES);
    return within(flat, at, offset) ? at + offset : 0;
}

size_t flat_root(struct flatbuffer *flat) {
    return follow(flat, 0);
}

/* The position of a field's value, or 0. */
static size_t field_at(struct flatbuffer *flat, size_t table, size_t field) {
    int64_t vtable = (int64_t)table - (int32_t)flat_number(flat, table, OFFSET_BYTES);
    if (vtable < 0)
        flat->damaged = true;
    if (!table || flat->damaged)
        return 0;
    size_t entry = VTABLE_HEADER_BYTES + VTABLE_ENTRY_BYTES * field;
    if (entry + VTABLE_ENTRY_BYTES > flat_number(flat, (size_t)vtable, VTABLE_ENTRY_BYTES))
        return 0; /* written by an older schema */
    size_t offset = flat_number(flat, (size_t)vtable + entry, VTABLE_ENTRY_BYTES);
    return offset ? table + offset : 0;
}

uint64_t flat_scalar(struct flatbuffer *flat, size_t table, size_t field, size_t width, uint64_t absent) {
    size_t at = field_at(flat, table, field);
    return at ? flat_number(flat, at, width) : absent;
}

struct flat_vector flat_vector(struct flatbuffer *flat, size_t table, size_t field, size_t item_bytes) {
    size_t at = field_at(flat, table, field);
    size_t vector = at ? follow(flat, at) : 0;
    size_t length = vector ? flat_number(flat, vector, OFFSET_BYTES) : 0;
    if (!length || !within(flat, vector + OFFSET_BYTES, length * item_bytes)) /* both factors are far below 2^32 */
        return (struct flat_vector){0, 0};
    return (struct flat_vector){vector + OFFSET_BYTES, length};
}

size_t flat_table(struct flatbuffer *flat, struct flat_vector vector, size_t index) {
    if (index >= vector.length)
        flat->damaged = true;
    return flat->damaged ? 0 : follow(flat, vector.at + OFFSET_BYTES * index);
}
