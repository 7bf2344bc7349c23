/* Everything refers backwards: the root stands at the end, then its packed type (a kind, and the width of its items as
   a power of two), then its own width. Before a map's values stand its keys' offset, their width and its length; behind
   them, the values' packed types. */
#include "flexbuffer.h"

#include <string.h>

#include "flatbuffer.h"

enum { INTEGER = 1, UNSIGNED = 2, MAP = 9, BOOLEAN = 26 };

static size_t back(struct flatbuffer *flex, size_t at, size_t width) {
    size_t offset = flat_number(flex, at, width);
    if (offset > at)
        flex->damaged = true;
    return flex->damaged ? 0 : at - offset;
}

static size_t before(struct flatbuffer *flex, size_t at, size_t size) {
    if (size > at)
        flex->damaged = true;
    return flex->damaged ? 0 : at - size;
}

static bool is_width(size_t width) {
    return width == 1 || width == 2 || width == 4 || width == 8;
}

static int64_t signed_number(uint64_t value, size_t width) {
    unsigned shift = 64 - 8 * (unsigned)width;
    return (int64_t)(value << shift) >> shift;
}

bool flex_integer(const uint8_t *bytes, size_t size, const char *key, int64_t *value) {
    struct flatbuffer flex = {bytes, size, false};
    if (size < 3 || !is_width(bytes[size - 1]) || bytes[size - 2] >> 2 != MAP)
        return false;
    size_t width = (size_t)1 << (bytes[size - 2] & 3);
    size_t root = before(&flex, size - 2, bytes[size - 1]), values = back(&flex, root, bytes[size - 1]);
    size_t header = before(&flex, values, 3 * width), keys = back(&flex, header, width);
    size_t key_width = flat_number(&flex, header + width, width);
    size_t count = flat_number(&flex, header + 2 * width, width);
    if (flex.damaged || !is_width(key_width) || count > size)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t name = back(&flex, keys + key_width * i, key_width);
        uint64_t type = flat_number(&flex, values + width * count + i, 1) >> 2;
        uint64_t number = flat_number(&flex, values + width * i, width);
        if (flex.damaged)
            return false;
        if (size - name <= strlen(key) || memcmp(bytes + name, key, strlen(key) + 1))
            continue;
        *value = signed_number(number, width);
        return type == INTEGER || ((type == UNSIGNED || type == BOOLEAN) && *value >= 0);
    }
    return false;
}
