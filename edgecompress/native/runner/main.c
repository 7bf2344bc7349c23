/* edgecompress-runner: load a model into a runtime on this device, run it, and say in JSON what was measured.

   edgecompress-runner --runtime litert|onnx --library FILE --model FILE [--kernels FILE] [--threads N] [--cores MASK]
                       [--inputs FILE | --seed N] [--limit SECONDS] [--marks 1]
   edgecompress-runner --about 1 [--library FILE]

   Two processes: a worker, which holds the model and may crash on it, and this one, which outlives it. Requests come
   on standard input, a line each (see worker.c); each is answered by one line of JSON. When standard input closes,
   or the limit is over, both end. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "about.h"
#include "session.h"
#include "worker.h"

enum { USAGE = 2, DEFAULT_LIMIT_S = 3600 };

static int usage(const char *what) {
    fprintf(stderr, "edgecompress-runner: %s\n", what);
    return USAGE;
}

int main(int count, char **arguments) {
    static struct options options = {.threads = 1, .limit_s = DEFAULT_LIMIT_S};
    for (int i = 1; i + 1 < count; i += 2) {
        const char *key = arguments[i], *value = arguments[i + 1];
        if (!strcmp(key, "--runtime"))
            options.runtime = value;
        else if (!strcmp(key, "--library"))
            options.library = value;
        else if (!strcmp(key, "--model"))
            options.model = value;
        else if (!strcmp(key, "--kernels"))
            options.kernels = value;
        else if (!strcmp(key, "--inputs"))
            options.inputs = value;
        else if (!strcmp(key, "--seed"))
            options.seed = strtoull(value, NULL, 10);
        else if (!strcmp(key, "--cores"))
            options.cores = strtoull(value, NULL, 16);
        else if (!strcmp(key, "--threads"))
            options.threads = atoi(value);
        else if (!strcmp(key, "--limit"))
            options.limit_s = atoi(value);
        else if (!strcmp(key, "--marks"))
            options.marks = atoi(value);
        else if (!strcmp(key, "--about"))
            options.about = atoi(value);
        else if (!strcmp(key, "--shapes") ? !read_shapes(value, &options)
                                          : strcmp(key, "--variables") || !read_variables(value, &options))
            return usage("there is no such option, or its value is none");
    }
    if (options.about)
        return tell_about(&options);
    if (!options.runtime || !options.library || !options.model)
        return usage("--runtime, --library and --model are needed");
    if (options.threads < 1 || options.threads > 64 || options.limit_s < 1)
        return usage("--threads is from 1 to 64, and --limit at least 1");
    int requests[2], answers[2];
    if (pipe(requests) || pipe(answers))
        return usage("cannot make a pipe");
    pid_t worker = fork();
    if (worker < 0)
        return usage("cannot start a process");
    if (worker == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(requests[0], STDIN_FILENO);
        dup2(answers[1], STDOUT_FILENO);
        close(requests[1]);
        close(answers[0]);
        work(&options);
    }
    close(requests[0]);
    close(answers[1]);
    signal(SIGPIPE, SIG_IGN); /* a host that went away shows as a failed write */
    return supervise(worker, requests[1], answers[0], options.limit_s);
}
