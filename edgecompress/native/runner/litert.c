/* A model in LiteRT: compiled, with buffers for its inputs and outputs. */
#include "litert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *dtype;
    size_t item_bytes;
} TYPES[] = {[1] = {"float32", 4}, [2] = {"int32", 4}, [3] = {"uint8", 1},    [4] = {"int64", 8},   [6] = {"bool", 1},
             [7] = {"int16", 2},   [9] = {"int8", 1},  [10] = {"float16", 2}, [11] = {"float64", 8},
             [16] = {"uint32", 4}, [17] = {"uint16", 2}};

const char *status_meaning(status code) {
    static const char *const MEANINGS[] = {"", " (invalid argument)", " (out of memory)", " (in the runtime)",
                                           " (a missing input)", " (unsupported)", " (not found)"};
    return code > 0 && (size_t)code < sizeof MEANINGS / sizeof *MEANINGS ? MEANINGS[code] : "";
}

static void add_option(struct litert *litert, handle options, const char *kind, const char *text) {
    handle option;
    CALL(litert, CreateOpaqueOptions, kind, strdup(text), free, &option);
    CALL(litert, AddOpaqueOptions, options, option);
}

handle litert_compile(struct litert *litert, bool profiled) {
    handle options, compiled;
    char threads[64];
    snprintf(threads, sizeof threads, "num_threads = %d\n", litert->options->threads);
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

/* Describe a tensor of that layout; its name is there already. */
static void describe_tensor(struct tensor *described, const struct tensor_type *type) {
    bool known = type->element_type >= 0 && (size_t)type->element_type < sizeof TYPES / sizeof *TYPES;
    int64_t shape[MAX_RANK];
    for (size_t axis = 0; axis < MAX_RANK; axis++)
        shape[axis] = type->layout.shape[axis];
    describe(described, known ? TYPES[type->element_type].dtype : NULL,
             known ? TYPES[type->element_type].item_bytes : 0, type->layout.rank_and_flags & 0x7f, shape);
}

static void name_and_type(struct litert *litert, handle tensor, struct tensor *described, struct tensor_type *type) {
    const char *name = NULL;
    CALL(litert, GetTensorName, tensor, &name);
    snprintf(described->name, sizeof described->name, "%s", name ? name : "");
    CALL(litert, GetRankedTensorType, tensor, type);
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

/* Give each input its shape: the one that was asked for, or the file's with a free first axis of 1. All of them come
   before any buffer, for which LiteRT computes the shapes of everything else. */
static void shape_inputs(struct litert *litert, handle compiled, struct session *session, struct tensor_type *types) {
    for (size_t i = 0; i < session->input_count; i++) {
        struct tensor *input = &session->inputs[i];
        struct layout *layout = &types[i].layout;
        int64_t own[MAX_RANK];
        bool resized = false;
        CALL(litert, GetSignatureInputTensorByIndex, litert->signature, i, &litert->input_tensors[i]);
        name_and_type(litert, litert->input_tensors[i], input, &types[i]);
        size_t rank = layout->rank_and_flags & 0x7f;
        for (size_t axis = 0; axis < MAX_RANK; axis++)
            own[axis] = layout->shape[axis];
        const int64_t *asked = asked_shape(litert->options, input->name, i, rank, own);
        for (size_t axis = 0; axis < rank && axis < MAX_RANK; axis++) {
            int64_t length = axis == 0 && asked[axis] < 0 ? 1 : asked[axis];
            resized |= length != own[axis];
            layout->shape[axis] = length > INT32_MAX ? INT32_MAX : (int32_t)length;
        }
        describe_tensor(input, &types[i]);
        if (resized)
            CALL(litert, CompiledModelResizeInputTensor, compiled, 0, i, layout->shape, rank);
    }
}

/* A tensor may be an output twice, or an input as well: LiteRT fills the buffer that it was given last, and no other.
   So they share one. Returns NULL for the first of a kind. */
static handle shared_buffer(struct litert *litert, struct session *session, size_t output) {
    for (size_t i = 0; i < session->input_count; i++)
        if (litert->input_tensors[i] == litert->output_tensors[output])
            return session->inputs[i].handle;
    for (size_t i = 0; i < output; i++)
        if (litert->output_tensors[i] == litert->output_tensors[output])
            return session->outputs[i].handle;
    return NULL;
}

void litert_make_buffers(struct litert *litert, handle compiled, struct session *session) {
    struct tensor_type types[MAX_TENSORS], type;
    handle requirements;
    shape_inputs(litert, compiled, session, types);
    for (size_t i = 0; i < session->input_count; i++) {
        struct tensor *input = &session->inputs[i];
        CALL(litert, GetCompiledModelInputBufferRequirements, compiled, 0, i, &requirements);
        input->handle = make_buffer(litert, &types[i], requirements, input->size_bytes);
    }
    struct layout layouts[MAX_TENSORS];
    CALL(litert, GetCompiledModelOutputTensorLayouts, compiled, 0, session->output_count, layouts, true);
    for (size_t i = 0; i < session->output_count; i++) {
        struct tensor *output = &session->outputs[i];
        CALL(litert, GetSignatureOutputTensorByIndex, litert->signature, i, &litert->output_tensors[i]);
        name_and_type(litert, litert->output_tensors[i], output, &type);
        type.layout = layouts[i];
        describe_tensor(output, &type);
        output->handle = shared_buffer(litert, session, i);
        if (!output->handle) {
            CALL(litert, GetCompiledModelOutputBufferRequirements, compiled, 0, i, &requirements);
            output->handle = make_buffer(litert, &type, requirements, output->size_bytes);
        }
    }
}

void litert_run(struct litert *litert, handle compiled, struct session *session) {
    for (size_t i = 0; i < session->input_count; i++)
        litert->inputs[i] = session->inputs[i].handle;
    for (size_t i = 0; i < session->output_count; i++)
        litert->outputs[i] = session->outputs[i].handle;
    CALL(litert, RunCompiledModel, compiled, 0, session->input_count, litert->inputs, session->output_count,
         litert->outputs);
}

static void run(struct session *session) {
    struct litert *litert = session->state;
    litert_run(litert, litert->compiled, session);
}

void litert_write_input(struct session *session, size_t index, const void *data) {
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

/* What is kept between inferences dies with its instance. */
static void forget(struct session *session) {
    struct litert *litert = session->state;
    struct tensor_type types[MAX_TENSORS];
    litert->DestroyCompiledModel(litert->compiled);
    litert->compiled = litert_compile(litert, false);
    shape_inputs(litert, litert->compiled, session, types);
}

void litert_open(struct session *session, const struct options *options) {
    struct litert *litert = calloc(1, sizeof *litert);
    int64_t start_ns = now_ns();
    litert->options = options;
    litert->library = open_library("runtime", options->library);
#define LOOK_UP(name, arguments) litert->name = (status(*) arguments)symbol(litert->library, "LiteRt" #name);
    FUNCTIONS(LOOK_UP)
    void *binary = options->kernels ? open_kernels(session, options->kernels) : NULL;
    session->library_ns = now_ns() - start_ns;
    CALL(litert, CreateEnvironment, 0, NULL, &litert->environment);
    start_ns = now_ns();
    litert_load(litert, session, binary);
    session->load_ns = now_ns() - start_ns;
    start_ns = now_ns();
    litert->compiled = litert_compile(litert, false);
    CALL(litert, GetModelSignature, litert->model, 0, &litert->signature);
    CALL(litert, GetNumSignatureInputs, litert->signature, &session->input_count);
    CALL(litert, GetNumSignatureOutputs, litert->signature, &session->output_count);
    if (session->input_count > MAX_TENSORS || session->output_count > MAX_TENSORS)
        refuse("the model has more than %d inputs or outputs", MAX_TENSORS);
    litert_make_buffers(litert, litert->compiled, session);
    session->compile_ns = now_ns() - start_ns;
    session->state = litert;
    session->run = run;
    session->write_input = litert_write_input;
    session->read_outputs = read_outputs;
    session->print_operators = litert_print_operators;
    session->forget = options->variable_count ? forget : NULL;
}
