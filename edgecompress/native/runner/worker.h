/* The two halves of the runner. */
#ifndef EDGECOMPRESS_WORKER_H
#define EDGECOMPRESS_WORKER_H

#include "options.h"

/* Hold the model, and answer the requests on standard input, a line each, until it closes. */
_Noreturn void work(const struct options *options);

/* Stand between the host and a worker: pass requests on, stop the worker in its tracks between them, and end it when
   the host has gone, or the time is up. Returns the exit status. */
int supervise(int worker, int requests, int answers, int limit_s);

#endif
