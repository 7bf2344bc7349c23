/* An example of how to unpack on a device, and the program that measures how fast it is.

   unpack PACKED FOLDER      write the files inside to the folder; PACKED may be -, for what comes in
   unpack --time N PACKED    unpack N times from memory to nowhere, and print the median of MB/s of output

   Either all files are written whole or none: they grow under other names until the last one's hash is right. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "unpack.h"

enum { MAX_RUNS = 100000 };

static const uint64_t LIMIT_BYTES = UINT64_C(1) << 31;
static const char UNNAMED[] = "model";

struct file {
    char *growing, *name; /* where it is written, and what it will be called */
};

struct target {
    FILE *packed, *out;
    const char *folder;
    int is_new; /* the folder */
    struct file *files;
    size_t count;
    char error[PATH_MAX + 256];
};

static int complain(struct target *target, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(target->error, sizeof target->error, format, arguments);
    va_end(arguments);
    return 1;
}

static size_t read_file(void *user, void *to, size_t size) {
    struct target *target = user;
    size_t got = fread(to, 1, size, target->packed);
    return got || !ferror(target->packed) ? got : ECZ_READ_FAILED;
}

/* The decoder has checked names already. A program that writes where they say looks for itself. */
static int is_inside(const char *name) {
    if (*name == '/')
        return 0;
    for (;;) {
        size_t length = strcspn(name, "/");
        if (!length || (length == 1 && name[0] == '.') || (length == 2 && name[0] == '.' && name[1] == '.'))
            return 0;
        if (!name[length])
            return 1;
        name += length + 1;
    }
}

static int begin_file(void *user, const char *name, uint64_t size_bytes) {
    struct target *target = user;
    (void)size_bytes;
    char unnamed[sizeof UNNAMED + sizeof ".tflite"];
    if (!*name || !strcmp(name, ".tflite") || !strcmp(name, ".onnx")) {
        snprintf(unnamed, sizeof unnamed, "%s%s", UNNAMED, name);
        name = unnamed;
    }
    if (!is_inside(name))
        return complain(target, "'%s' lies outside of the folder", name);
    for (size_t i = 0; i < target->count; i++)
        if (!strcmp(target->files[i].name, name))
            return complain(target, "two files are called '%s'", name);
    struct file *files = realloc(target->files, (target->count + 1) * sizeof *files);
    if (!files)
        return complain(target, "there is not enough memory");
    target->files = files;
    struct file *file = files + target->count;
    file->name = strdup(name);
    size_t index = target->count;
    if (!file->name || asprintf(&file->growing, "%s/.unpack-%ld-%zu", target->folder, (long)getpid(), index) < 0)
        return complain(target, "there is not enough memory");
    target->count++;
    target->out = fopen(file->growing, "wbx");
    return target->out ? 0 : complain(target, "'%s' cannot be written: %s", file->growing, strerror(errno));
}

static int write_file(void *user, const void *data, size_t size) {
    struct target *target = user;
    if (fwrite(data, 1, size, target->out) == size)
        return 0;
    return complain(target, "'%s' cannot be written: %s", target->files[target->count - 1].name, strerror(errno));
}

static int end_file(void *user) {
    struct target *target = user;
    FILE *out = target->out;
    target->out = NULL;
    if (!fclose(out))
        return 0;
    return complain(target, "'%s' cannot be written: %s", target->files[target->count - 1].name, strerror(errno));
}

/* Make the folders on the way to a file, none of which may be a link to elsewhere; the file itself may not be one. */
static int make_way(struct target *target, char *path) {
    struct stat found;
    for (char *slash = strchr(path + strlen(target->folder) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(path, 0777) && (errno != EEXIST || lstat(path, &found) || !S_ISDIR(found.st_mode)))
            return complain(target, "the folder '%s' cannot be made", path);
        *slash = '/';
    }
    return !lstat(path, &found) && S_ISDIR(found.st_mode) ? complain(target, "'%s' is a folder", path) : 0;
}

static int rename_all(struct target *target) {
    char path[PATH_MAX];
    for (int is_last = 0; is_last < 2; is_last++) /* first look whether all can be renamed */
        for (size_t i = 0; i < target->count; i++) {
            if (snprintf(path, sizeof path, "%s/%s", target->folder, target->files[i].name) >= (int)sizeof path)
                return complain(target, "the name '%s' is too long", target->files[i].name);
            if (make_way(target, path))
                return 1;
            if (is_last && rename(target->files[i].growing, path))
                return complain(target, "'%s' cannot be written: %s", path, strerror(errno));
        }
    return 0;
}

static int unpack_to(struct target *target, const char *packed) {
    const struct ecz_io io = {read_file, begin_file, write_file, end_file, target};
    target->packed = strcmp(packed, "-") ? fopen(packed, "rb") : stdin;
    if (!target->packed)
        return complain(target, "'%s' cannot be read: %s", packed, strerror(errno));
    target->is_new = !mkdir(target->folder, 0777);
    enum ecz_status status = ecz_unpack(&io, LIMIT_BYTES);
    if (target->out)
        fclose(target->out);
    if (status && !*target->error)
        complain(target, "'%s': %s", packed, ecz_status_text(status));
    if (status || rename_all(target)) {
        for (size_t i = 0; i < target->count; i++)
            unlink(target->files[i].growing);
        if (target->is_new)
            rmdir(target->folder);
        return 1;
    }
    return 0;
}

/* ---- how fast it is ---- */

struct memory {
    const unsigned char *at;
    size_t left;
    uint64_t written;
};

static size_t read_memory(void *user, void *to, size_t size) {
    struct memory *memory = user;
    size = size < memory->left ? size : memory->left;
    memcpy(to, memory->at, size);
    memory->at += size;
    memory->left -= size;
    return size;
}

static int begin_nothing(void *user, const char *name, uint64_t size_bytes) {
    (void)name;
    ((struct memory *)user)->written += size_bytes;
    return 0;
}

static int write_nothing(void *user, const void *data, size_t size) {
    (void)user;
    (void)data;
    (void)size;
    return 0;
}

static int end_nothing(void *user) {
    (void)user;
    return 0;
}

static double now_s(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time); /* what other programs take does not count */
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int time_runs(struct target *target, const char *packed, long runs) {
    FILE *file = fopen(packed, "rb");
    double *seconds = calloc((size_t)runs, sizeof *seconds);
    struct stat about;
    if (!file || !seconds || fstat(fileno(file), &about))
        return complain(target, "'%s' cannot be read: %s", packed, strerror(errno));
    size_t size = (size_t)about.st_size;
    unsigned char *data = malloc(size + 1);
    if (!data || fread(data, 1, size, file) != size)
        return complain(target, "'%s' cannot be read", packed);
    fclose(file);
    uint64_t written = 0;
    for (long run = 0; run < runs; run++) {
        struct memory memory = {data, size, 0};
        const struct ecz_io io = {read_memory, begin_nothing, write_nothing, end_nothing, &memory};
        double start_s = now_s();
        enum ecz_status status = ecz_unpack(&io, LIMIT_BYTES);
        seconds[run] = now_s() - start_s;
        if (status)
            return complain(target, "'%s': %s", packed, ecz_status_text(status));
        written = memory.written;
    }
    qsort(seconds, (size_t)runs, sizeof *seconds, ascending);
    printf("%.1f\n", (double)written / 1e6 / seconds[runs / 2]);
    free(seconds);
    free(data);
    return 0;
}

int main(int count, char **words) {
    struct target target = {0};
    int failed;
    if (count == 3 && strcmp(words[1], "--time")) {
        target.folder = words[2];
        failed = unpack_to(&target, words[1]);
    } else if (count == 4 && !strcmp(words[1], "--time") && atol(words[2]) > 0 && atol(words[2]) <= MAX_RUNS) {
        failed = time_runs(&target, words[3], atol(words[2]));
    } else {
        failed = complain(&target, "usage: unpack PACKED FOLDER, or unpack --time N PACKED");
    }
    if (failed)
        fprintf(stderr, "unpack: %s\n", target.error);
    return failed;
}
