/* LiteRT's C interface, version 2.3: the few declarations that are needed, taken from its library at run time. */
#ifndef EDGECOMPRESS_LITERT_H
#define EDGECOMPRESS_LITERT_H

#include <stdbool.h>

#include "../include/litert_types.h"
#include "session.h"

struct event { /* of the profiler */
    const char *tag;
    int type;
    uint64_t start_us, elapsed_us;
    int64_t memory_before[3], memory_after[3];
    uint64_t index, subgraph;
    int source;
};

enum { CPU = 1, OPERATOR = 1 << 1, DELEGATED = 1 << 3 };
enum { UNSUPPORTED = 5 }; /* a status */

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
    F(DestroyCompiledModel, (handle)) \
    F(GetModelSubgraph, (handle, size_t, handle *)) \
    F(GetSubgraphOp, (handle, size_t, handle *)) \
    F(GetOpOutput, (handle, size_t, handle *))

#define DECLARE(name, arguments) status(*name) arguments;
struct litert {
    FUNCTIONS(DECLARE)
    handle environment, model, signature, compiled;
    handle inputs[MAX_TENSORS], outputs[MAX_TENSORS];               /* buffers, as they are handed over */
    handle input_tensors[MAX_TENSORS], output_tensors[MAX_TENSORS]; /* of the model */
    const struct options *options;
    void *library;
    handle binary; /* the file as our own kernels have opened it, or NULL */
    status (*RegisterKernels)(handle binary, void *library, handle options);
    const char *(*original_name)(handle binary, const char *name);
    size_t (*failures)(handle binary);
};

/* What a status means, in brackets, as far as it is known. */
const char *status_meaning(status code);

#define CALL(litert, name, ...) \
    do { \
        status status_ = (litert)->name(__VA_ARGS__); \
        if (status_) \
            refuse("LiteRt" #name " failed with status %d%s", status_, status_meaning(status_)); \
    } while (0)

/* LiteRT's model of the file, in one of three ways; see litert_model.c. */
void litert_load(struct litert *litert, struct session *session, void *kernels);

handle litert_compile(struct litert *litert, bool profiled);

/* Describe inputs and outputs, and make a buffer for each. */
void litert_make_buffers(struct litert *litert, handle compiled, struct session *session);

void litert_run(struct litert *litert, handle compiled, struct session *session);

void litert_write_input(struct session *session, size_t index, const void *data);

/* Print the members of an object about `runs` profiled inferences. */
void litert_print_operators(struct session *session, int runs);

#endif
