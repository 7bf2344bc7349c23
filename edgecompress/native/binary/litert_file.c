#include "litert_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "litert_reader.h"

/* Fields by their places in TFLite's schema. */
enum { MODEL_CODES = 1, MODEL_SUBGRAPHS = 2, MODEL_BUFFERS = 4 };
enum { CODE_OLD_BUILTIN = 0, CODE_CUSTOM = 1, CODE_VERSION = 2, CODE_BUILTIN = 3 };
enum { SUBGRAPH_TENSORS = 0, SUBGRAPH_OPERATORS = 3 };
enum { OPERATOR_CODE = 0, OPERATOR_INPUTS = 1, OPERATOR_OUTPUTS = 2, OPERATOR_OPTIONS = 5 };
enum { CUSTOM = 32, TABLE_BYTES = 4, MAX_VISITS = 1 << 16, MAX_SUBGRAPHS = 1 << 10 };

static const char PREFIX[] = "Lce";
static const char *const NAMES[BINARY_KINDS] = {"LceQuantize", "LceDequantize", "LceBMaxPool2d", "LceBconv2d"};

/* What is left of a name without its prefix, whose three letters make room for three digits. */
static const char *stem(int kind) {
    return NAMES[kind] + strlen(PREFIX);
}

/* The kind of an operator code, BINARY_KINDS for any other, -1 where it is not sound. */
static int read_code(struct reader *reader, size_t index, struct binary_operator *operator) {
    struct flatbuffer *flat = &reader->flat;
    size_t table = flat_table(flat, reader->codes, index);
    struct flat_vector name = flat_vector(flat, table, CODE_CUSTOM, 1);
    uint64_t builtin = flat_scalar(flat, table, CODE_BUILTIN, 4, 0);
    bool custom = builtin == CUSTOM || flat_scalar(flat, table, CODE_OLD_BUILTIN, 1, 0) == CUSTOM;
    operator->version = (int32_t)flat_scalar(flat, table, CODE_VERSION, 4, 1);
    operator->code = index;
    operator->name_at = name.at;
    if (!intact(reader))
        return -1;
    const char *text = (const char *)flat->bytes + name.at;
    for (int kind = 0; kind < BINARY_KINDS; kind++) {
        size_t length = strlen(NAMES[kind]);
        if (custom && name.length == length && !memcmp(text, NAMES[kind], length))
            return kind;
        if (custom && name.length == length && !memcmp(text, stem(kind), strlen(stem(kind)))) {
            refuse(reader, "its name starts like those that its kernels get");
            return -1;
        }
    }
    return BINARY_KINDS;
}

static bool is_shared(const struct binary_operator *operators, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (operators[i].code == operators[count].code || operators[i].name_at == operators[count].name_at)
            return true;
    return false;
}

static bool read_subgraph(struct reader *reader, size_t subgraph, struct binary_operator *operators, size_t *count,
                          size_t *visits) {
    struct flatbuffer *flat = &reader->flat;
    struct flat_vector tables = flat_vector(flat, subgraph, SUBGRAPH_OPERATORS, TABLE_BYTES);
    reader->tensors = flat_vector(flat, subgraph, SUBGRAPH_TENSORS, TABLE_BYTES);
    for (size_t i = 0; i < tables.length; i++) {
        if (++*visits > MAX_VISITS)
            return refuse(reader, "it has more than %d operators", MAX_VISITS);
        struct binary_operator *operator = &operators[*count];
        size_t table = flat_table(flat, tables, i), code = flat_scalar(flat, table, OPERATOR_CODE, 4, 0);
        snprintf(reader->where, sizeof reader->where, "operator %zu: ", i);
        memset(operator, 0, sizeof *operator);
        int kind = read_code(reader, code, operator);
        if (kind < 0)
            return false;
        if (kind == BINARY_KINDS)
            continue;
        if (*count == MAX_OPERATORS)
            return refuse(reader, "it is one binary operator more than the %d that are supported", MAX_OPERATORS);
        snprintf(reader->where, sizeof reader->where, "operator %zu, %s: ", i, NAMES[kind]);
        if (is_shared(operators, *count))
            return refuse(reader, "it shares its operator code with another; convert the model to this file again with "
                                  "edgecompress");
        operator->kind = (enum binary_kind)kind;
        snprintf(operator->name, sizeof operator->name, "%s%03zu", stem(kind), *count);
        reader->inputs = flat_vector(flat, table, OPERATOR_INPUTS, INDEX_BYTES);
        reader->outputs = flat_vector(flat, table, OPERATOR_OUTPUTS, INDEX_BYTES);
        reader->options = flat_vector(flat, table, OPERATOR_OPTIONS, 1);
        operator->inputs_at = reader->inputs.at;
        ++*count; /* whatever comes of it is to be released */
        if (!intact(reader) || !read_operator(reader, operator))
            return false;
    }
    reader->where[0] = 0;
    return intact(reader);
}

int litert_find_operators(const uint8_t *file, size_t size_bytes, struct binary_operator **operators, char *why) {
    struct reader reader = {.flat = {file, size_bytes, false}, .why = why};
    struct flatbuffer *flat = &reader.flat;
    if (size_bytes < 8 || memcmp(file + 4, "TFL3", 4)) {
        refuse(&reader, "it is not a TFLite file");
        return -1;
    }
    size_t count = 0, visits = 0, root = flat_root(flat);
    struct flat_vector subgraphs = flat_vector(flat, root, MODEL_SUBGRAPHS, TABLE_BYTES);
    reader.codes = flat_vector(flat, root, MODEL_CODES, TABLE_BYTES);
    reader.buffers = flat_vector(flat, root, MODEL_BUFFERS, TABLE_BYTES);
    *operators = calloc(MAX_OPERATORS + 1, sizeof **operators); /* one more for what comes after the last */
    bool sound = intact(&reader) && (*operators || refuse(&reader, "not enough memory"));
    if (subgraphs.length > MAX_SUBGRAPHS)
        sound = refuse(&reader, "it has %zu subgraphs", subgraphs.length);
    for (size_t i = 0; sound && i < subgraphs.length; i++)
        sound = read_subgraph(&reader, flat_table(flat, subgraphs, i), *operators, &count, &visits);
    if (sound)
        return (int)count;
    if (*operators)
        litert_release_operators(*operators, count);
    *operators = NULL;
    return -1;
}

void litert_release_operators(struct binary_operator *operators, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (operators[i].plan)
            binary_release(operators[i].plan);
    free(operators);
}

const char *litert_kind_name(enum binary_kind kind) {
    return NAMES[kind];
}
