/* A pool of threads that take the parts of one task after another; whoever runs a task works along. */
#include "internal.h"

#include <pthread.h>
#include <stdlib.h>

struct pool {
    struct binary_threads threads; /* first: its address is the pool's */
    pthread_mutex_t runs;          /* held by whoever runs a task: one at a time */
    pthread_mutex_t lock;          /* over all below */
    pthread_cond_t begun, ended;
    void (*task)(void *data, size_t index);
    void *data;
    size_t next, count, busy; /* parts to take, and threads that are at one */
    bool stopping;
    size_t started;
    pthread_t helpers[];
};

/* Called and left with the lock held. */
static void take_parts(struct pool *pool) {
    while (pool->next < pool->count) {
        size_t index = pool->next++;
        pool->busy++;
        pthread_mutex_unlock(&pool->lock);
        pool->task(pool->data, index);
        pthread_mutex_lock(&pool->lock);
        if (!--pool->busy && pool->next == pool->count)
            pthread_cond_signal(&pool->ended);
    }
}

static void *help(void *context) {
    struct pool *pool = context;
    pthread_mutex_lock(&pool->lock);
    while (!pool->stopping) {
        take_parts(pool);
        if (!pool->stopping)
            pthread_cond_wait(&pool->begun, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void run(void *context, void (*task)(void *data, size_t index), size_t count, void *data) {
    struct pool *pool = context;
    pthread_mutex_lock(&pool->runs);
    pthread_mutex_lock(&pool->lock);
    pool->task = task;
    pool->data = data;
    pool->next = 0;
    pool->count = count;
    pthread_cond_broadcast(&pool->begun);
    take_parts(pool);
    while (pool->busy)
        pthread_cond_wait(&pool->ended, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    pthread_mutex_unlock(&pool->runs);
}

struct binary_threads *binary_threads_start(size_t count) {
    enum { MOST = 1024 };
    size_t helpers = count > MOST ? MOST - 1 : count ? count - 1 : 0;
    struct pool *pool = calloc(1, sizeof *pool + helpers * sizeof *pool->helpers);
    if (!pool)
        return NULL;
    pthread_mutex_init(&pool->runs, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->begun, NULL);
    pthread_cond_init(&pool->ended, NULL);
    while (pool->started < helpers && !pthread_create(&pool->helpers[pool->started], NULL, help, pool))
        pool->started++;
    pool->threads = (struct binary_threads){.run = run, .context = pool, .count = pool->started + 1};
    return &pool->threads;
}

void binary_threads_stop(struct binary_threads *threads) {
    if (!threads)
        return;
    struct pool *pool = (struct pool *)threads;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->begun);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->started; i++)
        pthread_join(pool->helpers[i], NULL);
    pthread_cond_destroy(&pool->begun);
    pthread_cond_destroy(&pool->ended);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->runs);
    free(pool);
}
