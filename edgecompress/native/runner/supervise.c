/* The process between the host and the worker. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session.h"
#include "worker.h"

enum { GONE = 4, TOO_LATE = 5, CRASHED = 6 }; /* exit statuses */

static int write_all(int file, const char *data, ssize_t size) {
    while (size > 0) {
        ssize_t written = write(file, data, (size_t)size);
        if (written < 0 && errno != EINTR)
            return 0;
        if (written > 0) {
            data += written;
            size -= written;
        }
    }
    return 1;
}

/* One request and no more: the next one waits in the pipe. Returns 0 where the host has gone. */
static size_t read_line(char *line, size_t room) {
    for (size_t size = 0; size < room;) {
        ssize_t count = read(STDIN_FILENO, line + size, 1);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return 0;
        if (line[size++] == '\n')
            return size;
    }
    return 0;
}

static int end(int worker, int status) {
    kill(worker, SIGKILL);
    waitpid(worker, NULL, 0);
    return status;
}

/* The worker closed its pipe: it refused, and said so itself, or it crashed. */
static int bury(int worker) {
    int status = 0;
    waitpid(worker, &status, 0);
    if (!WIFSIGNALED(status))
        return WEXITSTATUS(status);
    printf("{\"crash\": \"%s\"}\n", strsignal(WTERMSIG(status)));
    return CRASHED;
}

int supervise(int worker, int requests, int answers, int limit_s) {
    char buffer[65536];
    int busy = 1; /* it is loading */
    int64_t end_ns = now_ns() + limit_s * INT64_C(1000000000);
    for (;;) {
        struct pollfd files[] = {
            /* while it works, only the host's going away matters; the next request can wait */
            {.fd = STDIN_FILENO, .events = busy ? POLLRDHUP : POLLIN | POLLRDHUP},
            {.fd = answers, .events = POLLIN},
        };
        int64_t left_ms = (end_ns - now_ns()) / 1000000;
        if (left_ms <= 0) {
            printf("{\"late\": %d}\n", limit_s);
            fflush(stdout);
            return end(worker, TOO_LATE);
        }
        if (poll(files, 2, (int)(left_ms < 60000 ? left_ms : 60000)) < 0 && errno != EINTR)
            return end(worker, GONE);
        if (files[1].revents) {
            ssize_t size = read(answers, buffer, sizeof buffer);
            if (size <= 0)
                return bury(worker);
            if (buffer[size - 1] == '\n') { /* an answer is one line, and its last byte is its end */
                kill(worker, SIGSTOP);      /* idle threads of a runtime would otherwise spin into the next one's time */
                busy = 0;
            }
            if (!write_all(STDOUT_FILENO, buffer, size))
                return end(worker, GONE);
        } else if (!busy && files[0].revents & POLLIN) {
            size_t size = read_line(buffer, sizeof buffer);
            if (!size)
                return end(worker, 0);
            busy = 1;
            kill(worker, SIGCONT);
            if (!write_all(requests, buffer, (ssize_t)size))
                return bury(worker);
        } else if (files[0].revents & (POLLHUP | POLLERR | POLLRDHUP | POLLNVAL))
            return end(worker, 0);
    }
}
