#include "litert_reader.h"

#include <stdarg.h>
#include <stdio.h>

#include "flexbuffer.h"

enum { TENSOR_SHAPE = 0, TENSOR_TYPE = 1, TENSOR_BUFFER = 2 }; /* fields by their places in TFLite's schema */
enum { BUFFER_DATA = 0, BUFFER_OFFSET = 1, BUFFER_SIZE = 2 };

bool refuse(struct reader *reader, const char *format, ...) {
    va_list arguments;
    int written = snprintf(reader->why, BINARY_WHY, "%s", reader->where);
    va_start(arguments, format);
    vsnprintf(reader->why + written, BINARY_WHY - (size_t)written, format, arguments);
    va_end(arguments);
    return false;
}

bool intact(struct reader *reader) {
    return !reader->flat.damaged ||
           refuse(reader, "an offset points outside of the file's %zu bytes", reader->flat.size);
}

static bool read_data(struct reader *reader, size_t buffer, struct tensor *tensor) {
    struct flatbuffer *flat = &reader->flat;
    struct flat_vector data = flat_vector(flat, buffer, BUFFER_DATA, 1);
    uint64_t offset = flat_scalar(flat, buffer, BUFFER_OFFSET, 8, 0);
    uint64_t size = flat_scalar(flat, buffer, BUFFER_SIZE, 8, 0);
    if (offset > 1) { /* behind the flatbuffer, in large files */
        if (offset > flat->size || size > flat->size - offset)
            return refuse(reader, "a buffer lies outside of the file's %zu bytes", flat->size);
        data = (struct flat_vector){offset, size};
    }
    tensor->data = data.length ? flat->bytes + data.at : NULL;
    tensor->data_bytes = data.length;
    return intact(reader);
}

bool read_tensor(struct reader *reader, const char *what, struct flat_vector indices, size_t place, uint64_t type,
                 struct tensor *tensor) {
    struct flatbuffer *flat = &reader->flat;
    uint64_t index = place < indices.length ? flat_number(flat, indices.at + INDEX_BYTES * place, INDEX_BYTES) : -1ull;
    if (index >= reader->tensors.length)
        return refuse(reader, "it has no tensor for its %s", what);
    size_t table = flat_table(flat, reader->tensors, index);
    struct flat_vector shape = flat_vector(flat, table, TENSOR_SHAPE, INDEX_BYTES);
    tensor->type = flat_scalar(flat, table, TENSOR_TYPE, 1, FLOAT32);
    if (tensor->type != type)
        return refuse(reader, "its %s is of the type %d where %s is expected", what, (int)tensor->type,
                      type == INT32 ? "int32" : "float32");
    if (shape.length < 1 || shape.length > MAX_AXES)
        return refuse(reader, "its %s has %zu axes; from 1 to %d are allowed", what, shape.length, MAX_AXES);
    tensor->shape.rank = (int32_t)shape.length;
    for (size_t axis = 0; axis < shape.length; axis++) {
        uint64_t length = flat_number(flat, shape.at + INDEX_BYTES * axis, INDEX_BYTES);
        if (length < 1 || length > MAX_IMAGE_BYTES)
            return refuse(reader, "its %s has an axis of length %d", what, (int)length);
        tensor->shape.lengths[axis] = (int32_t)length;
    }
    uint64_t buffer = flat_scalar(flat, table, TENSOR_BUFFER, 4, 0);
    return intact(reader) && read_data(reader, flat_table(flat, reader->buffers, buffer), tensor);
}

bool is_absent(struct reader *reader, size_t place) {
    return place < reader->inputs.length &&
           (int32_t)flat_number(&reader->flat, reader->inputs.at + INDEX_BYTES * place, INDEX_BYTES) == -1;
}

bool read_option(struct reader *reader, const char *key, int32_t least, int32_t most, int32_t *value) {
    int64_t number;
    if (!flex_integer(reader->flat.bytes + reader->options.at, reader->options.length, key, &number))
        return refuse(reader, "its options have no integer '%s'", key);
    if (number < least || number > most)
        return refuse(reader, "its option '%s' is %lld; from %d to %d is supported", key, (long long)number, least,
                      most);
    *value = (int32_t)number;
    return true;
}
