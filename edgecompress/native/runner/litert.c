/* LiteRT's C interface, version 2.3: the few declarations that are needed, taken from its library at run time. */
#include "session.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void *handle;
typedef int status;

struct layout {
    uint32_t rank_and_flags; /* 7 bits of rank, 1 of strides */
    int32_t shape[8];
    uint32_t strides[8];
};
struct tensor_type {
    int element_type;
    struct layout layout;
};
struct event { /* of the profiler */
    const char *tag;
    int type;
    uint64_t start_us, elapsed_us;
    int64_t memory_before[3], memory_after[3];
    uint64_t index, subgraph;
    int source;
};

enum { CPU = 1, LOCK_READ = 0, LOCK_WRITE = 1, OPERATOR = 1 << 1, DELEGATED = 1 << 3, WARM_UP_RUNS = 3 };

/* One row a function of the interface: name without its prefix, and arguments. */
#define FUNCTIONS(F) \
    F(CreateEnvironment, (int, const void *, handle *)) \
    F(CreateModelFromFile, (handle, const char *, handle *)) \
    F(CreateModelFromBuffer, (handle, const void *, size_t, handle *)) \
    F(CreateOptions, (handle *)) \
    F(SetOptionsHardwareAccelerators, (handle, int)) \
    F(CreateOpaqueOptions, (const char *, void *, void (*)(void *), handle *)) \
    F(AddOpaqueOptions, (handle, handle)) \
    F(CreateCompiledModel, (handle, handle, handle, handle *)) \
    F(GetModelSignature, (handle, size_t, handle *)) \
    F(GetNumSignatureInputs, (handle, size_t *)) \
    F(GetNumSignatureOutputs, (handle, size_t *)) \
    F(GetSignatureInputTensorByIndex, (handle, size_t, handle *)) \
    F(GetSignatureOutputTensorByIndex, (handle, size_t, handle *)) \
    F(GetRankedTensorType, (handle, struct tensor_type *)) \
    F(GetTensorName, (handle, const char **)) \
    F(CompiledModelResizeInputTensor, (handle, size_t, size_t, const int *, size_t)) \
    F(GetCompiledModelOutputTensorLayouts, (handle, size_t, size_t, struct layout *, bool)) \
    F(GetCompiledModelInputBufferRequirements, (handle, size_t, size_t, handle *)) \
    F(GetCompiledModelOutputBufferRequirements, (handle, size_t, size_t, handle *)) \
    F(CreateManagedTensorBufferFromRequirements, (handle, const struct tensor_type *, handle, handle *)) \
    F(GetTensorBufferPackedSize, (handle, size_t *)) \
    F(LockTensorBuffer, (handle, void **, int)) \
    F(UnlockTensorBuffer, (handle)) \
    F(RunCompiledModel, (handle, size_t, size_t, handle *, size_t, handle *)) \
    F(CompiledModelGetProfiler, (handle, handle *)) \
    F(ResetProfiler, (handle)) \
    F(StartProfiler, (handle)) \
    F(StopProfiler, (handle)) \
    F(GetNumProfilerEvents, (handle, int *)) \
    F(GetProfilerEvents, (handle, int, struct event *)) \
    F(GetModelSubgraph, (handle, size_t, handle *)) \
    F(GetSubgraphOp, (handle, size_t, handle *)) \
    F(GetOpOutput, (handle, size_t, handle *))

#define DECLARE(name, arguments) status(*name) arguments;
struct litert {
    FUNCTIONS(DECLARE)
    handle environment, model, signature, compiled;
    handle inputs[MAX_TENSORS], outputs[MAX_TENSORS];
    int threads;
    void *library;
    handle binary; /* the file as our own kernels have opened it, or NULL */
    status (*RegisterKernels)(handle binary, void *library, handle options);
    const char *(*original_name)(handle binary, const char *name);
    size_t (*failures)(handle binary);
};

#define CALL(litert, name, ...) \
    do { \
        status status_ = (litert)->name(__VA_ARGS__); \
        if (status_) \
            refuse("LiteRt" #name " failed with status %d", status_); \
    } while (0)

static const struct {
    const char *dtype;
    size_t item_bytes;
} TYPES[] = {[1] = {"float32", 4}, [2] = {"int32", 4}, [3] = {"uint8", 1},    [4] = {"int64", 8},   [6] = {"bool", 1},
             [7] = {"int16", 2},   [9] = {"int8", 1},  [10] = {"float16", 2}, [11] = {"float64", 8}};

static void add_option(struct litert *litert, handle options, const char *kind, const char *text) {
    handle option;
    CALL(litert, CreateOpaqueOptions, kind, strdup(text), free, &option);
    CALL(litert, AddOpaqueOptions, options, option);
}

static handle compile(struct litert *litert, bool profiled) {
    handle options, compiled;
    char threads[64];
    snprintf(threads, sizeof threads, "num_threads = %d\n", litert->threads);
    CALL(litert, CreateOptions, &options);
    CALL(litert, SetOptionsHardwareAccelerators, options, CPU);
    add_option(litert, options, "xnnpack", threads);
    if (profiled)
        add_option(litert, options, "runtime_options_string", "enable_profiling = true\n");
    if (litert->binary)
        CALL(litert, RegisterKernels, litert->binary, litert->library, options);
    CALL(litert, CreateCompiledModel, litert->environment, litert->model, options, &compiled);
    return compiled;
}

static void describe_tensor(struct litert *litert, handle tensor, struct tensor *described, struct tensor_type *type) {
    const char *name = NULL;
    CALL(litert, GetTensorName, tensor, &name);
    snprintf(described->name, sizeof described->name, "%s", name ? name : "");
    CALL(litert, GetRankedTensorType, tensor, type);
    bool known = type->element_type >= 0 && (size_t)type->element_type < sizeof TYPES / sizeof *TYPES;
    size_t rank = type->layout.rank_and_flags & 0x7f;
    int64_t shape[MAX_RANK] = {0};
    for (size_t axis = 0; axis < rank && axis < MAX_RANK; axis++)
        shape[axis] = type->layout.shape[axis];
    describe(described, known ? TYPES[type->element_type].dtype : NULL,
             known ? TYPES[type->element_type].item_bytes : 0, rank, shape);
}

static handle make_buffer(struct litert *litert, struct tensor_type *type, handle requirements, size_t size_bytes) {
    handle buffer;
    size_t packed;
    CALL(litert, CreateManagedTensorBufferFromRequirements, litert->environment, type, requirements, &buffer);
    CALL(litert, GetTensorBufferPackedSize, buffer, &packed);
    if (packed != size_bytes)
        refuse("a tensor holds %zu bytes where %zu were expected", packed, size_bytes);
    return buffer;
}

static void make_buffers(struct litert *litert, handle compiled, struct session *session) {
    struct tensor_type type;
    handle tensor, requirements;
    for (size_t i = 0; i < session->input_count; i++) {
        struct tensor *input = &session->inputs[i];
        CALL(litert, GetSignatureInputTensorByIndex, litert->signature, i, &tensor);
        describe_tensor(litert, tensor, input, &type);
        if (input->rank && type.layout.shape[0] < 0) {
            type.layout.shape[0] = 1;
            CALL(litert, CompiledModelResizeInputTensor, compiled, 0, i, type.layout.shape, input->rank);
        }
        CALL(litert, GetCompiledModelInputBufferRequirements, compiled, 0, i, &requirements);
        input->handle = make_buffer(litert, &type, requirements, input->size_bytes);
    }
    struct layout layouts[MAX_TENSORS];
    CALL(litert, GetCompiledModelOutputTensorLayouts, compiled, 0, session->output_count, layouts, true);
    for (size_t i = 0; i < session->output_count; i++) {
        struct tensor *output = &session->outputs[i];
        CALL(litert, GetSignatureOutputTensorByIndex, litert->signature, i, &tensor);
        CALL(litert, GetRankedTensorType, tensor, &type);
        describe_tensor(litert, tensor, output, &type);
        type.layout = layouts[i];
        int64_t shape[MAX_RANK] = {0};
        for (size_t axis = 0; axis < MAX_RANK; axis++)
            shape[axis] = layouts[i].shape[axis];
        describe(output, output->dtype, output->item_bytes, layouts[i].rank_and_flags & 0x7f, shape);
        CALL(litert, GetCompiledModelOutputBufferRequirements, compiled, 0, i, &requirements);
        output->handle = make_buffer(litert, &type, requirements, output->size_bytes);
    }
}

static void run_compiled(struct litert *litert, handle compiled, struct session *session) {
    for (size_t i = 0; i < session->input_count; i++)
        litert->inputs[i] = session->inputs[i].handle;
    for (size_t i = 0; i < session->output_count; i++)
        litert->outputs[i] = session->outputs[i].handle;
    CALL(litert, RunCompiledModel, compiled, 0, session->input_count, litert->inputs, session->output_count,
         litert->outputs);
}

static void run(struct session *session) {
    struct litert *litert = session->state;
    run_compiled(litert, litert->compiled, session);
}

static void write_input(struct session *session, size_t index, const void *data) {
    struct litert *litert = session->state;
    void *memory;
    CALL(litert, LockTensorBuffer, session->inputs[index].handle, &memory, LOCK_WRITE);
    memcpy(memory, data, session->inputs[index].size_bytes);
    CALL(litert, UnlockTensorBuffer, session->inputs[index].handle);
}

static void read_outputs(struct session *session, void (*visit)(const void *, size_t, void *), void *context) {
    struct litert *litert = session->state;
    void *memory;
    if (litert->binary && litert->failures(litert->binary))
        refuse("a binary operator got a tensor of another shape than the file says");
    for (size_t i = 0; i < session->output_count; i++) {
        CALL(litert, LockTensorBuffer, session->outputs[i].handle, &memory, LOCK_READ);
        visit(memory, session->outputs[i].size_bytes, context);
        CALL(litert, UnlockTensorBuffer, session->outputs[i].handle);
    }
}

/* Print kind and name of the operator of an event; XNNPACK's own have a kind only. */
static void print_operator(struct litert *litert, const struct event *event) {
    const char *name = "", *kind = event->tag ? event->tag : "";
    if (litert->binary && litert->original_name(litert->binary, kind))
        kind = litert->original_name(litert->binary, kind);
    if (event->type == OPERATOR) {
        handle subgraph, operator, tensor;
        CALL(litert, GetModelSubgraph, litert->model, event->subgraph, &subgraph);
        CALL(litert, GetSubgraphOp, subgraph, event->index, &operator);
        CALL(litert, GetOpOutput, operator, 0, &tensor);
        CALL(litert, GetTensorName, tensor, &name);
    }
    printf("{\"name\": ");
    print_string(name);
    printf(", \"kind\": ");
    print_string(kind);
    printf(", \"delegated\": %s", event->type == DELEGATED ? "true" : "false");
}

static int profiled_run(struct litert *litert, handle compiled, handle profiler, struct session *session,
                        struct event **events) {
    int count;
    CALL(litert, ResetProfiler, profiler);
    CALL(litert, StartProfiler, profiler);
    run_compiled(litert, compiled, session);
    CALL(litert, StopProfiler, profiler);
    CALL(litert, GetNumProfilerEvents, profiler, &count);
    if (count < 1 || count > 1000000)
        refuse("LiteRT's profiler tells of %d events", count);
    /* The library writes its own idea of an event. Twice the room, and a look at where it stopped, tell whether that
       is still ours, before a field is believed. */
    size_t size = (size_t)count * sizeof **events;
    unsigned char *memory = malloc(2 * size);
    memset(memory, 0xa5, 2 * size);
    CALL(litert, GetProfilerEvents, profiler, count, (struct event *)memory);
    size_t written = 2 * size;
    while (written && memory[written - 1] == 0xa5)
        written--;
    if (written > size || written + sizeof **events <= size)
        refuse("LiteRtGetProfilerEvents wrote events of an unknown form");
    *events = (struct event *)memory;
    int kept = 0;
    for (int i = 0; i < count; i++)
        if ((*events)[i].type == OPERATOR || (*events)[i].type == DELEGATED)
            (*events)[kept++] = (*events)[i];
    return kept;
}

static void print_operators(struct session *session, int runs) {
    struct litert *litert = session->state;
    struct session second = *session; /* its buffers are not the timed instance's */
    handle compiled = compile(litert, true), profiler;
    CALL(litert, CompiledModelGetProfiler, compiled, &profiler);
    make_buffers(litert, compiled, &second);
    for (size_t i = 0; i < session->input_count; i++) {
        void *memory;
        CALL(litert, LockTensorBuffer, session->inputs[i].handle, &memory, LOCK_READ);
        write_input(&second, i, memory);
        CALL(litert, UnlockTensorBuffer, session->inputs[i].handle);
    }
    for (int i = 0; i < WARM_UP_RUNS; i++)
        run_compiled(litert, compiled, &second);
    struct event *first, *events;
    int count = profiled_run(litert, compiled, profiler, &second, &first);
    uint64_t *total_us = calloc((size_t)count + 1, sizeof *total_us);
    for (int run = 0; run < runs; run++) {
        bool same = profiled_run(litert, compiled, profiler, &second, &events) == count;
        for (int i = 0; same && i < count; i++) {
            same = events[i].subgraph == first[i].subgraph && events[i].index == first[i].index;
            total_us[i] += events[i].elapsed_us;
        }
        free(events);
        if (!same) {
            printf("\"note\": \"the operators differ from one inference to the next\", \"operators\": []");
            return;
        }
    }
    printf("\"operators\": [");
    for (int i = 0; i < count; i++) {
        printf("%s", i ? ", " : "");
        print_operator(litert, &first[i]);
        printf(", \"mean_ns\": %.1f}", 1000.0 * (double)total_us[i] / runs);
    }
    printf("]");
}

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

/* LiteRT's model of the file, or of our own kernels' copy of it, which says where they run. */
static void load_model(struct litert *litert, const char *path, void *kernels) {
    if (!kernels) {
        CALL(litert, CreateModelFromFile, litert->environment, path, &litert->model);
        return;
    }
    handle (*open)(const void *, size_t, size_t, char *) =
        (handle(*)(const void *, size_t, size_t, char *))symbol(kernels, "edgecompress_litert_open");
    const void *(*copy)(handle, size_t *) =
        (const void *(*)(handle, size_t *))symbol(kernels, "edgecompress_litert_model");
    litert->RegisterKernels = (status(*)(handle, void *, handle))symbol(kernels, "edgecompress_litert_register");
    litert->failures = (size_t(*)(handle))symbol(kernels, "edgecompress_litert_failures");
    litert->original_name = (const char *(*)(handle, const char *))symbol(kernels, "edgecompress_litert_name");
    char why[256];
    size_t size_bytes;
    void *content = read_file(path, &size_bytes);
    litert->binary = open(content, size_bytes, (size_t)litert->threads, why);
    if (!litert->binary)
        refuse("%s", why);
    free(content);
    const void *model = copy(litert->binary, &size_bytes);
    CALL(litert, CreateModelFromBuffer, litert->environment, model, size_bytes, &litert->model);
}

void litert_open(struct session *session, const char *library_path, const char *model, int threads,
                 const char *kernels) {
    struct litert *litert = calloc(1, sizeof *litert);
    int64_t start_ns = now_ns();
    litert->library = open_library("runtime", library_path);
#define LOOK_UP(name, arguments) litert->name = (status(*) arguments)symbol(litert->library, "LiteRt" #name);
    FUNCTIONS(LOOK_UP)
    void *binary = kernels ? open_kernels(session, kernels) : NULL;
    session->library_ns = now_ns() - start_ns;
    litert->threads = threads;
    CALL(litert, CreateEnvironment, 0, NULL, &litert->environment);
    start_ns = now_ns();
    load_model(litert, model, binary);
    session->load_ns = now_ns() - start_ns;
    start_ns = now_ns();
    litert->compiled = compile(litert, false);
    CALL(litert, GetModelSignature, litert->model, 0, &litert->signature);
    CALL(litert, GetNumSignatureInputs, litert->signature, &session->input_count);
    CALL(litert, GetNumSignatureOutputs, litert->signature, &session->output_count);
    if (session->input_count > MAX_TENSORS || session->output_count > MAX_TENSORS)
        refuse("the model has more than %d inputs or outputs", MAX_TENSORS);
    make_buffers(litert, litert->compiled, session);
    session->compile_ns = now_ns() - start_ns;
    session->state = litert;
    session->run = run;
    session->write_input = write_input;
    session->read_outputs = read_outputs;
    session->print_operators = print_operators;
}
