/* Reads the counters from /proc. Android and old kernels keep some of it to themselves. */
#define _GNU_SOURCE
#include "counters.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The queue's times of all threads. Kernels that do not count them have no file, or zeros throughout. */
static int64_t waited_ns(void) {
    int64_t total_ns = 0, slices = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *task; tasks && (task = readdir(tasks));) {
        if (task->d_name[0] == '.') /* the folder above has the first thread's once more */
            continue;
        char path[300];
        long long run, waited, count;
        snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", task->d_name);
        FILE *file = fopen(path, "r");
        if (!file)
            continue;
        if (fscanf(file, "%lld %lld %lld", &run, &waited, &count) == 3) {
            slices += count;
            total_ns += waited;
        }
        fclose(file);
    }
    if (tasks)
        closedir(tasks);
    return slices > 0 ? total_ns : -1;
}

uint64_t allowed_cores(void) {
    cpu_set_t set;
    uint64_t mask = 0;
    if (!sched_getaffinity(0, sizeof set, &set))
        for (int core = 0; core < 64; core++)
            mask |= (uint64_t)!!CPU_ISSET(core, &set) << core;
    return mask;
}

/* Lines `cpuN user nice system idle iowait irq softirq steal ...`, in ticks. */
static void read_cores(uint64_t cores, struct counters *found) {
    char line[512];
    long tick_ns = 1000000000 / sysconf(_SC_CLK_TCK);
    FILE *file = fopen("/proc/stat", "r");
    while (file && fgets(line, sizeof line, file) && !strncmp(line, "cpu", 3)) {
        int core;
        long long user, nice, kernel, idle, disk, irq, soft, stolen = 0;
        if (sscanf(line, "cpu%d %lld %lld %lld %lld %lld %lld %lld %lld", &core, &user, &nice, &kernel, &idle, &disk,
                   &irq, &soft, &stolen) < 8)
            continue; /* the line of all cores */
        if (core < 0 || core > 63 || !(cores >> core & 1))
            continue;
        if (found->busy_ns < 0)
            found->busy_ns = found->stolen_ns = 0;
        found->busy_ns += (user + nice + kernel + irq + soft) * tick_ns;
        found->stolen_ns += stolen * tick_ns;
    }
    if (file)
        fclose(file);
}

struct counters read_counters(uint64_t cores) {
    struct counters found = {-1, -1, -1, -1};
    struct rusage usage;
    found.waited_ns = waited_ns();
    if (!getrusage(RUSAGE_SELF, &usage))
        found.preempted = usage.ru_nivcsw;
    read_cores(cores, &found);
    return found;
}

static void print_difference(const char *name, int64_t before, int64_t after) {
    if (before < 0 || after < 0)
        printf("\"%s\": null, ", name);
    else
        printf("\"%s\": %lld, ", name, after > before ? (long long)(after - before) : 0LL);
}

void print_counters(struct counters before, struct counters after) {
    print_difference("waited_ns", before.waited_ns, after.waited_ns);
    print_difference("preempted", before.preempted, after.preempted);
    print_difference("busy_ns", before.busy_ns, after.busy_ns);
    print_difference("stolen_ns", before.stolen_ns, after.stolen_ns);
}
