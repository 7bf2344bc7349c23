/* ONNX Runtime's C interface: a table of functions whose order never changes, so that a position is enough. */
#include "../include/ort_api.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

enum { LOG_FATAL = 4, WARM_UP_RUNS = 3 };
enum { MAX_TRACE_BYTES = 64 << 20 };

struct onnx {
    ort_api api;
    ort_handle environment, session, allocator;
    char *input_names[MAX_TENSORS], *output_names[MAX_TENSORS];
    ort_handle inputs[MAX_TENSORS], outputs[MAX_TENSORS];
    const struct options *options;
    const struct ort_api_base *base;
    ort_handle (*register_operators)(ort_handle options, const struct ort_api_base *); /* our own kernels', or NULL */
};

#define CALL(onnx, position, types, ...) \
    check(onnx, ((ort_handle(*) types)(onnx)->api[position])(__VA_ARGS__))

static void check(struct onnx *onnx, ort_handle status) {
    if (status)
        refuse("%s", ((const char *(*)(ort_handle))onnx->api[ORT_GET_ERROR_MESSAGE])(status));
}

static const struct {
    const char *dtype;
    size_t item_bytes;
} TYPES[] = {[1] = {"float32", 4}, [2] = {"uint8", 1},  [3] = {"int8", 1},     [4] = {"uint16", 2},
             [5] = {"int16", 2},   [6] = {"int32", 4},  [7] = {"int64", 8},    [9] = {"bool", 1},
             [10] = {"float16", 2}, [11] = {"float64", 8}, [12] = {"uint32", 4}, [13] = {"uint64", 8}};

/* Whether the runtime's kernels for uint8 and int8 add two products in 16 bits, unless it is told to be exact: on x86
   without VNNI. Where they do not, to be told costs up to half of the speed. */
static int saturates(void) {
#ifdef __x86_64__
    unsigned eax, ebx, ecx, edx;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && ecx >> 11 & 1)
        return 0; /* AVX512_VNNI */
    return !(__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && eax >> 4 & 1); /* AVX_VNNI */
#else
    return 0;
#endif
}

static ort_handle make_session(struct onnx *onnx, const char *trace_prefix) {
    ort_handle options, session;
    CALL(onnx, ORT_CREATE_SESSION_OPTIONS, (ort_handle *), &options);
    CALL(onnx, ORT_SET_LOG_SEVERITY, (ort_handle, int), options, LOG_FATAL);
    CALL(onnx, ORT_SET_INTRA_THREADS, (ort_handle, int), options, onnx->options->threads);
    CALL(onnx, ORT_SET_INTER_THREADS, (ort_handle, int), options, 1);
    if (saturates())
        CALL(onnx, ORT_ADD_SESSION_CONFIG_ENTRY, (ort_handle, const char *, const char *), options,
             "session.x64quantprecision", "1");
    if (onnx->register_operators)
        check(onnx, onnx->register_operators(options, onnx->base));
    if (trace_prefix)
        CALL(onnx, ORT_ENABLE_PROFILING, (ort_handle, const char *), options, trace_prefix);
    CALL(onnx, ORT_CREATE_SESSION, (ort_handle, const char *, ort_handle, ort_handle *), onnx->environment, onnx->options->model, options,
         &session);
    return session;
}

/* `input` is its number, or below 0 where it is none. */
static void describe_tensor(struct onnx *onnx, ort_handle info, struct tensor *tensor, int *type, int input) {
    size_t rank;
    int64_t shape[MAX_RANK] = {0};
    CALL(onnx, ORT_ELEMENT_TYPE, (ort_handle, int *), info, type);
    CALL(onnx, ORT_DIMENSIONS_COUNT, (ort_handle, size_t *), info, &rank);
    if (rank <= MAX_RANK)
        CALL(onnx, ORT_DIMENSIONS, (ort_handle, int64_t *, size_t), info, shape, rank);
    int known = *type >= 0 && (size_t)*type < sizeof TYPES / sizeof *TYPES;
    const int64_t *asked = input < 0 ? shape : asked_shape(onnx->options, tensor->name, (size_t)input, rank, shape);
    describe(tensor, known ? TYPES[*type].dtype : NULL, known ? TYPES[*type].item_bytes : 0, rank, asked);
}

static void *tensor_data(struct onnx *onnx, ort_handle value) {
    void *data;
    CALL(onnx, ORT_TENSOR_DATA, (ort_handle, void **), value, &data);
    return data;
}

static void make_inputs(struct onnx *onnx, struct session *session) {
    for (size_t i = 0; i < session->input_count; i++) {
        struct tensor *input = &session->inputs[i];
        ort_handle type_info, info;
        int type;
        CALL(onnx, ORT_INPUT_NAME, (ort_handle, size_t, ort_handle, char **), onnx->session, i, onnx->allocator,
             &onnx->input_names[i]);
        snprintf(input->name, sizeof input->name, "%s", onnx->input_names[i]);
        CALL(onnx, ORT_INPUT_TYPE, (ort_handle, size_t, ort_handle *), onnx->session, i, &type_info);
        CALL(onnx, ORT_CAST_TO_TENSOR_INFO, (ort_handle, ort_handle *), type_info, &info);
        if (!info)
            refuse("input %s is not a tensor", input->name);
        describe_tensor(onnx, info, input, &type, (int)i);
        CALL(onnx, ORT_CREATE_TENSOR, (ort_handle, const int64_t *, size_t, int, ort_handle *), onnx->allocator, input->shape,
             input->rank, type, &onnx->inputs[i]);
    }
}

static void run_session(struct onnx *onnx, ort_handle runtime_session, struct session *session, ort_handle *outputs) {
    CALL(onnx, ORT_RUN,
         (ort_handle, ort_handle, char *const *, const ort_handle *, size_t, char *const *, size_t, ort_handle *),
         runtime_session, NULL, onnx->input_names, onnx->inputs, session->input_count, onnx->output_names,
         session->output_count, outputs);
}

/* The outputs of the first inference are written to again and again, as an application would. */
static void run(struct session *session) {
    struct onnx *onnx = session->state;
    run_session(onnx, onnx->session, session, onnx->outputs);
}

static void write_input(struct session *session, size_t index, const void *data) {
    struct onnx *onnx = session->state;
    memcpy(tensor_data(onnx, onnx->inputs[index]), data, session->inputs[index].size_bytes);
    for (size_t i = 0; i < session->output_count; i++) { /* other inputs may make outputs of another shape */
        if (onnx->outputs[i])
            ((void (*)(ort_handle))onnx->api[ORT_RELEASE_VALUE])(onnx->outputs[i]);
        onnx->outputs[i] = NULL;
    }
}

static void read_outputs(struct session *session, void (*visit)(const void *, size_t, void *), void *context) {
    struct onnx *onnx = session->state;
    for (size_t i = 0; i < session->output_count; i++) {
        struct tensor *output = &session->outputs[i];
        ort_handle info;
        int type;
        CALL(onnx, ORT_TENSOR_TYPE_AND_SHAPE, (ort_handle, ort_handle *), onnx->outputs[i], &info);
        describe_tensor(onnx, info, output, &type, -1);
        ((void (*)(ort_handle))onnx->api[ORT_RELEASE_TENSOR_INFO])(info);
        visit(tensor_data(onnx, onnx->outputs[i]), output->size_bytes, context);
    }
}

/* Where files may be written: Android has no /tmp. The name is this process's alone. */
static const char *trace_prefix(char *prefix, size_t room) {
    const char *wanted = getenv("TMPDIR"), *places[] = {wanted ? wanted : "/tmp", "/tmp", "/data/local/tmp", "."};
    size_t place = 0;
    while (place + 1 < sizeof places / sizeof *places && access(places[place], W_OK))
        place++;
    snprintf(prefix, room, "%s/edgecompress-%d", places[place], (int)getpid());
    return prefix;
}

/* The runtime writes its trace to a file of JSON; its lines become one. */
static void print_operators(struct session *session, int runs) {
    struct onnx *onnx = session->state;
    ort_handle outputs[MAX_TENSORS] = {NULL};
    char *path;
    char prefix[256];
    ort_handle profiled = make_session(onnx, trace_prefix(prefix, sizeof prefix));
    for (int i = 0; i < WARM_UP_RUNS + runs; i++)
        run_session(onnx, profiled, session, outputs);
    CALL(onnx, ORT_END_PROFILING, (ort_handle, ort_handle, char **), profiled, onnx->allocator, &path);
    FILE *trace = fopen(path, "r");
    if (!trace)
        refuse("ONNX Runtime's trace cannot be read");
    printf("\"warm_up\": %d, \"trace\": ", WARM_UP_RUNS);
    long count = 0;
    for (int c; (c = getc(trace)) != EOF && count < MAX_TRACE_BYTES; count++)
        putchar(c == '\n' || c == '\r' ? ' ' : c);
    fclose(trace);
    unlink(path);
}

void onnx_open(struct session *session, const struct options *options) {
    struct onnx *onnx = calloc(1, sizeof *onnx);
    int64_t start_ns = now_ns();
    void *library = open_library("runtime", options->library);
    onnx->base = ((const struct ort_api_base *(*)(void))symbol(library, "OrtGetApiBase"))();
    onnx->api = onnx->base->get_api(ORT_API_VERSION);
    if (!onnx->api)
        refuse("ONNX Runtime %s is too old", onnx->base->get_version());
    if (options->kernels)
        onnx->register_operators = (ort_handle(*)(ort_handle, const struct ort_api_base *))symbol(
            open_kernels(session, options->kernels), "RegisterCustomOps");
    session->library_ns = now_ns() - start_ns;
    snprintf(session->version, sizeof session->version, "%s", onnx->base->get_version());
    onnx->options = options;
    start_ns = now_ns();
    CALL(onnx, ORT_CREATE_ENV, (int, const char *, ort_handle *), LOG_FATAL, "edgecompress", &onnx->environment);
    session->load_ns = now_ns() - start_ns;
    start_ns = now_ns();
    onnx->session = make_session(onnx, NULL);
    session->compile_ns = now_ns() - start_ns;
    CALL(onnx, ORT_DEFAULT_ALLOCATOR, (ort_handle *), &onnx->allocator);
    CALL(onnx, ORT_INPUT_COUNT, (ort_handle, size_t *), onnx->session, &session->input_count);
    CALL(onnx, ORT_OUTPUT_COUNT, (ort_handle, size_t *), onnx->session, &session->output_count);
    if (session->input_count > MAX_TENSORS || session->output_count > MAX_TENSORS)
        refuse("the model has more than %d inputs or outputs", MAX_TENSORS);
    make_inputs(onnx, session);
    for (size_t i = 0; i < session->output_count; i++) {
        CALL(onnx, ORT_OUTPUT_NAME, (ort_handle, size_t, ort_handle, char **), onnx->session, i, onnx->allocator,
             &onnx->output_names[i]);
        snprintf(session->outputs[i].name, sizeof session->outputs[i].name, "%s", onnx->output_names[i]);
    }
    session->state = onnx;
    session->run = run;
    session->write_input = write_input;
    session->read_outputs = read_outputs;
    session->print_operators = print_operators;
}
