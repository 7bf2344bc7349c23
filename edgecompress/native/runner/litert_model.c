/* A TFLite file as LiteRT's model: as it is, as our own kernels' copy, or as its interpreter alone takes it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "litert.h"

static void *read_file(const char *path, size_t *size_bytes) {
    FILE *file = fopen(path, "rb");
    long size = file && !fseek(file, 0, SEEK_END) ? ftell(file) : -1;
    void *content = size < 0 ? NULL : malloc((size_t)size + 1);
    if (content)
        rewind(file);
    if (!content || fread(content, 1, (size_t)size, file) != (size_t)size)
        refuse("the model %s cannot be read", path);
    fclose(file);
    *size_bytes = (size_t)size;
    return content;
}

/* LiteRT's reader refuses tensors that keep a value from one inference to the next; the interpreter in it, which reads
   the same memory once more when the model is compiled, does not. So the bytes that say so are 0 for the reader alone.
   Were the interpreter given a copy that was made meanwhile, it would refuse operators without their state. */
static void load_with_variables(struct litert *litert, struct session *session) {
    const struct options *options = litert->options;
    status refused = litert->CreateModelFromFile(litert->environment, options->model, &litert->model);
    if (!refused)
        return;
    snprintf(session->interpreter, sizeof session->interpreter,
             "LiteRT's compiled model refuses tensors that keep a value between inferences (status %d)", refused);
    size_t size_bytes;
    unsigned char *content = read_file(options->model, &size_bytes);
    for (size_t i = 0; i < options->variable_count; i++) {
        if (options->variables[i] >= size_bytes || content[options->variables[i]] != 1)
            refuse("the model is not the file whose variables were listed");
        content[options->variables[i]] = 0;
    }
    CALL(litert, CreateModelFromBuffer, litert->environment, content, size_bytes, &litert->model);
    for (size_t i = 0; i < options->variable_count; i++)
        content[options->variables[i]] = 1;
}

/* Our own kernels' copy of the file, which says where they run. */
static void load_with_kernels(struct litert *litert, void *kernels) {
    handle (*open)(const void *, size_t, size_t, char *) =
        (handle(*)(const void *, size_t, size_t, char *))symbol(kernels, "edgecompress_litert_open");
    const void *(*copy)(handle, size_t *) =
        (const void *(*)(handle, size_t *))symbol(kernels, "edgecompress_litert_model");
    litert->RegisterKernels = (status(*)(handle, void *, handle))symbol(kernels, "edgecompress_litert_register");
    litert->failures = (size_t(*)(handle))symbol(kernels, "edgecompress_litert_failures");
    litert->original_name = (const char *(*)(handle, const char *))symbol(kernels, "edgecompress_litert_name");
    char why[256];
    size_t size_bytes;
    void *content = read_file(litert->options->model, &size_bytes);
    litert->binary = open(content, size_bytes, (size_t)litert->options->threads, why);
    if (!litert->binary)
        refuse("%s", why);
    free(content);
    const void *model = copy(litert->binary, &size_bytes);
    CALL(litert, CreateModelFromBuffer, litert->environment, model, size_bytes, &litert->model);
}

void litert_load(struct litert *litert, struct session *session, void *kernels) {
    if (kernels)
        load_with_kernels(litert, kernels);
    else if (litert->options->variable_count)
        load_with_variables(litert, session);
    else
        CALL(litert, CreateModelFromFile, litert->environment, litert->options->model, &litert->model);
}
