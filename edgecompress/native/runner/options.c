/* The options that are lists. */
#include "options.h"

#include <stdlib.h>

static int is_digit(char c) { return c >= '0' && c <= '9'; }

int read_shapes(const char *text, struct options *options) {
    for (;; text++) {
        if (options->shape_count == MAX_TENSORS)
            return 0;
        struct shape *shape = &options->shapes[options->shape_count++];
        while (is_digit(*text)) {
            char *end;
            if (shape->rank == MAX_RANK)
                return 0;
            shape->lengths[shape->rank++] = strtoll(text, &end, 10);
            text = end;
            if (*text == 'x' && !is_digit(*++text))
                return 0;
        }
        if (*text != ',')
            return !*text;
    }
}

int read_variables(const char *text, struct options *options) {
    for (;; text++) {
        char *end;
        if (!is_digit(*text) || options->variable_count == MAX_VARIABLES)
            return 0;
        options->variables[options->variable_count++] = strtoull(text, &end, 10);
        text = end;
        if (*text != ',')
            return !*text;
    }
}
