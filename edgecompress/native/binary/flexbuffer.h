/* A flexbuffer whose root is a map: the form of custom operators' options. Any bytes may be given. */
#ifndef EDGECOMPRESS_FLEXBUFFER_H
#define EDGECOMPRESS_FLEXBUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Look an integer up by its key; false where the bytes are no map, or have no integer or boolean of that name. */
bool flex_integer(const uint8_t *bytes, size_t size, const char *key, int64_t *value);

#endif
