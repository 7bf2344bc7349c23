/* Aligned memory, and a buffer for each thread that lives as long as the thread. */
#include "internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

struct scratch {
    size_t size;
    uint8_t *bytes;
};

static pthread_key_t key;

static void drop(void *value) {
    struct scratch *scratch = value;
    free(scratch->bytes);
    free(scratch);
}

__attribute__((constructor)) static void begin(void) {
    if (pthread_key_create(&key, drop)) {
        fputs("edgecompress binary kernels: no thread-specific key is left\n", stderr);
        abort();
    }
}

__attribute__((destructor)) static void end(void) {
    pthread_key_delete(key); /* threads may outlive the library, and must not call into it then */
}

static size_t rounded_up(size_t size) {
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void *binary_zeros(size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - ALIGNMENT)
        return NULL;
    bytes = rounded_up(bytes ? bytes : 1);
    void *memory = aligned_alloc(ALIGNMENT, bytes);
    return memory ? memset(memory, 0, bytes) : NULL;
}

void *binary_scratch(size_t size) {
    struct scratch *scratch = pthread_getspecific(key);
    if (!scratch) {
        scratch = calloc(1, sizeof *scratch);
        if (scratch && pthread_setspecific(key, scratch)) {
            free(scratch);
            scratch = NULL;
        }
    }
    if (scratch && scratch->size < size) {
        free(scratch->bytes);
        scratch->size = rounded_up(size);
        scratch->bytes = aligned_alloc(ALIGNMENT, scratch->size);
    }
    if (!scratch || !scratch->bytes) {
        fprintf(stderr, "edgecompress binary kernels: no memory for %zu bytes\n", size);
        abort(); /* there is no result to give, and the runtimes' interfaces have no way to say so from a thread */
    }
    return scratch->bytes;
}
