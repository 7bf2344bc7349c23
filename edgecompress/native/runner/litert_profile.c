/* LiteRT's operators, one after another, in a second instance with the library's profiler on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "litert.h"

enum { WARM_UP_RUNS = 3, MAX_EVENTS = 100000 };

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
    printf(", \"node\": %lld", event->type == OPERATOR ? (long long)event->index : -1);
}

static int profiled_run(struct litert *litert, handle compiled, handle profiler, struct session *session,
                        struct event **events) {
    int count;
    CALL(litert, ResetProfiler, profiler);
    CALL(litert, StartProfiler, profiler);
    litert_run(litert, compiled, session);
    CALL(litert, StopProfiler, profiler);
    CALL(litert, GetNumProfilerEvents, profiler, &count);
    if (count < 1 || count > MAX_EVENTS)
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

void litert_print_operators(struct session *session, int runs) {
    struct litert *litert = session->state;
    struct session second = *session; /* its buffers are not the timed instance's */
    handle compiled = litert_compile(litert, true), profiler;
    CALL(litert, CompiledModelGetProfiler, compiled, &profiler);
    litert_make_buffers(litert, compiled, &second);
    for (size_t i = 0; i < session->input_count; i++) {
        void *memory;
        CALL(litert, LockTensorBuffer, session->inputs[i].handle, &memory, LOCK_READ);
        litert_write_input(&second, i, memory);
        CALL(litert, UnlockTensorBuffer, session->inputs[i].handle);
    }
    for (int i = 0; i < WARM_UP_RUNS; i++)
        litert_run(litert, compiled, &second);
    struct event *first, *events;
    int count = profiled_run(litert, compiled, profiler, &second, &first);
    uint32_t *elapsed_us = calloc((size_t)count * (size_t)runs + 1, sizeof *elapsed_us);
    if (!elapsed_us)
        refuse("not enough memory for the operators' times");
    for (int run = 0; run < runs; run++) {
        bool same = profiled_run(litert, compiled, profiler, &second, &events) == count;
        for (int i = 0; same && i < count; i++) {
            same = events[i].subgraph == first[i].subgraph && events[i].index == first[i].index;
            elapsed_us[(size_t)i * (size_t)runs + (size_t)run] = (uint32_t)events[i].elapsed_us;
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
        printf(", \"elapsed_us\": [");
        for (int run = 0; run < runs; run++)
            printf("%s%u", run ? ", " : "", elapsed_us[(size_t)i * (size_t)runs + (size_t)run]);
        printf("]}");
    }
    printf("]");
}
