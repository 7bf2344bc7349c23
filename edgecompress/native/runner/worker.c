/* The process that holds the model: loads it, runs it, and answers requests with one JSON line each.

   time RUNS SECONDS [KEPT]
                        time inferences, at least so many and for so long; tell of KEPT at most, evenly over the time
   operators RUNS       time each operator in a second, instrumented instance
   batch IN OUT         run the records in the file IN, one after another; the outputs go to the file OUT
                        (tabs between these words, since names may hold spaces)
   report               memory and processor time so far */
#define _GNU_SOURCE
#include "worker.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "counters.h"
#include "session.h"

/* No kernel has this call. The plugin that counts instructions sees it, with 0 before an inference and 1 after. */
enum { MARK = 0x5eed };
enum { MAX_SAMPLES = 1 << 22, MAX_LINE = 8192, BUFFER_BYTES = 1 << 20, MAX_RUNS = 1000 };

static struct session session;
static int64_t samples_ns[MAX_SAMPLES]; /* of a block: a measurement has no end but its time */
static int64_t first_ns;

static long memory_kib(const char *key) {
    char line[256];
    long value = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (!strncmp(line, key, strlen(key)))
            value = atol(line + strlen(key));
    if (status)
        fclose(status);
    return value;
}

static int64_t cpu_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* The clock of a core, read while it is still warm; 0 where the system does not tell. */
static long clock_khz(int core) {
    char path[96], text[32] = "";
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", core);
    FILE *file = fopen(path, "r");
    if (file && !fgets(text, sizeof text, file))
        text[0] = 0;
    if (file)
        fclose(file);
    return atol(text);
}

/* splitmix64 (Steele, Lea & Flood 2014): the value at a position, so that a host can compute the same without order. */
static uint64_t noise(uint64_t seed, uint64_t position) {
    uint64_t z = seed + (position + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Uniform: in [0, 1) for floats, over the whole range for 8 and 16 bits; wider integers are 0, as they are mostly
   indices, and half floats too. */
static void fill(struct tensor *tensor, uint64_t seed, uint64_t *position, void *memory) {
    size_t count = tensor->item_bytes ? tensor->size_bytes / tensor->item_bytes : 0;
    int is_float = !strcmp(tensor->dtype, "float32"), is_bool = !strcmp(tensor->dtype, "bool");
    memset(memory, 0, tensor->size_bytes);
    for (size_t i = 0; i < count; i++) {
        uint64_t value = noise(seed, (*position)++);
        if (is_float)
            ((float *)memory)[i] = (float)(value >> 40) / 16777216.0f;
        else if (is_bool)
            ((uint8_t *)memory)[i] = (uint8_t)(value >> 63);
        else if (tensor->item_bytes == 1)
            ((uint8_t *)memory)[i] = (uint8_t)(value >> 56);
        else if (tensor->item_bytes == 2 && strcmp(tensor->dtype, "float16"))
            ((uint16_t *)memory)[i] = (uint16_t)(value >> 48);
    }
}

/* Put one record of the file, or seeded noise, in place; returns 0 at the end of the file. */
static int bind_inputs(FILE *file, uint64_t seed) {
    uint64_t position = 0;
    for (size_t i = 0; i < session.input_count; i++) {
        void *memory = malloc(session.inputs[i].size_bytes + 1);
        if (!memory)
            refuse("not enough memory for the inputs");
        if (!file)
            fill(&session.inputs[i], seed, &position, memory);
        else {
            size_t size = fread(memory, 1, session.inputs[i].size_bytes, file);
            if (!i && !size && feof(file)) {
                free(memory);
                return 0;
            }
            if (size != session.inputs[i].size_bytes)
                refuse("the file of inputs ends in the middle of a record");
        }
        session.write_input(&session, i, memory);
        free(memory);
    }
    return 1;
}

static void hash(const void *data, size_t size_bytes, void *state) { /* FNV-1a, 64 bits */
    uint64_t *value = state;
    for (size_t i = 0; i < size_bytes; i++)
        *value = (*value ^ ((const uint8_t *)data)[i]) * UINT64_C(1099511628211);
}

static void write_out(const void *data, size_t size_bytes, void *file) {
    if (fwrite(data, 1, size_bytes, file) != size_bytes)
        refuse("the outputs cannot be written: the disk may be full");
}

static void print_tensors(const char *key, const struct tensor *tensors, size_t count) {
    printf(", \"%s\": [", key);
    for (size_t i = 0; i < count; i++) {
        printf("%s{\"name\": ", i ? ", " : "");
        print_string(tensors[i].name);
        printf(", \"dtype\": \"%s\", \"shape\": [", tensors[i].dtype);
        for (size_t axis = 0; axis < tensors[i].rank; axis++)
            printf("%s%lld", axis ? ", " : "", (long long)tensors[i].shape[axis]);
        printf("]}");
    }
    printf("]");
}

static void print_samples(size_t count, size_t step) {
    printf("\"inferences\": %zu, \"samples_ns\": [", count);
    for (size_t i = 0; i < count; i += step)
        printf("%s%lld", i ? ", " : "", (long long)samples_ns[i]);
    printf("]");
}

static void finish_line(void) {
    printf("}\n");
    if (fflush(stdout))
        _exit(1);
}

static void open_model(const struct options *options) {
    long before_kib = memory_kib("VmRSS:");
    struct counters before = read_counters(allowed_cores());
    void (*open)(struct session *, const struct options *) =
        strcmp(options->runtime, "onnx") ? litert_open : onnx_open;
    open(&session, options);
    FILE *file = options->inputs ? fopen(options->inputs, "rb") : NULL;
    if (options->inputs && !file)
        refuse("the file of inputs cannot be read");
    if (!bind_inputs(file, options->seed))
        refuse("the file of inputs is empty");
    if (file)
        fclose(file);
    int64_t start_ns = now_ns();
    session.run(&session);
    first_ns = now_ns() - start_ns;
    struct counters after = read_counters(allowed_cores());
    uint64_t outputs = UINT64_C(14695981039346656037);
    session.read_outputs(&session, hash, &outputs);
    printf("{");
    print_counters(before, after);
    printf("\"version\": ");
    print_string(session.version);
    if (options->kernels) {
        printf(", \"kernels\": ");
        print_string(session.kernels);
    }
    if (session.interpreter[0]) {
        printf(", \"interpreter\": ");
        print_string(session.interpreter);
    }
    printf(", \"library_ns\": %lld, \"load_ns\": %lld, \"compile_ns\": %lld, \"first_ns\": %lld",
           (long long)session.library_ns, (long long)session.load_ns, (long long)session.compile_ns,
           (long long)first_ns);
    printf(", \"model_memory_bytes\": %lld, \"cores\": %llu, \"output_hash\": \"%016llx\"",
           (memory_kib("VmRSS:") - before_kib) * 1024LL, (unsigned long long)allowed_cores(),
           (unsigned long long)outputs);
    print_tensors("inputs", session.inputs, session.input_count);
    print_tensors("outputs", session.outputs, session.output_count);
    finish_line();
}

static void time_inferences(long runs, double seconds, long kept, int marks) {
    size_t count = 0;
    session.run(&session); /* not timed: until now the caches were another process's */
    struct counters before = read_counters(allowed_cores());
    int64_t start_ns = now_ns(), before_ns = start_ns, cpu_before_ns = cpu_ns();
    while (count < MAX_SAMPLES && ((long)count < runs || (double)(before_ns - start_ns) < seconds * 1e9)) {
        if (marks)
            syscall(MARK, 0);
        session.run(&session);
        if (marks)
            syscall(MARK, 1);
        int64_t after_ns = now_ns();
        samples_ns[count++] = after_ns - before_ns;
        before_ns = after_ns;
    }
    int64_t spent_ns = cpu_ns() - cpu_before_ns;
    struct counters after = read_counters(allowed_cores());
    int core = sched_getcpu();
    printf("{");
    print_counters(before, after);
    printf("\"start_ns\": %lld, \"cpu_ns\": %lld, \"core\": %d, \"clock_khz\": %ld, \"cores\": %llu, ",
           (long long)start_ns, (long long)spent_ns, core, clock_khz(core), (unsigned long long)allowed_cores());
    print_samples(count, kept > 0 ? (count + (size_t)kept - 1) / (size_t)kept : 1);
    finish_line();
}

static void run_batch(const char *in, const char *out) {
    FILE *records = fopen(in, "rb"), *outputs = fopen(out, "wb");
    if (!records || !outputs)
        refuse("the %s cannot be %s", records ? "outputs" : "inputs", records ? "written" : "read");
    if (!session.input_count || !session.inputs[0].size_bytes)
        refuse("the model has no inputs to take from a file");
    long count = 0;
    while (bind_inputs(records, 0)) {
        if (session.forget)
            session.forget(&session);
        session.run(&session);
        session.read_outputs(&session, write_out, outputs);
        count++;
    }
    fclose(records);
    if (fclose(outputs))
        refuse("the outputs cannot be written: the disk may be full");
    printf("{\"records\": %ld", count);
    print_tensors("outputs", session.outputs, session.output_count);
    finish_line();
}

static void report(void) {
    printf("{\"peak_memory_bytes\": %lld, \"cpu_ns\": %lld", memory_kib("VmHWM:") * 1024LL, (long long)cpu_ns());
    finish_line();
}

static void pin(uint64_t cores) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int core = 0; core < 64; core++)
        if (cores >> core & 1)
            CPU_SET(core, &set);
    if (sched_setaffinity(0, sizeof set, &set) || allowed_cores() != cores)
        refuse("the cores %#llx cannot be had; the system allows %#llx", (unsigned long long)cores,
               (unsigned long long)allowed_cores());
}

/* A hostile model may try to take all memory or to fill the disk. */
static void limit_resources(void) {
    rlim_t half = (rlim_t)sysconf(_SC_PHYS_PAGES) * (rlim_t)sysconf(_SC_PAGE_SIZE) / 2, least = (rlim_t)2 << 30;
    setrlimit(RLIMIT_AS, &(struct rlimit){half > least ? half : least, half > least ? half : least});
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 30, 1 << 30});
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

_Noreturn void work(const struct options *options) {
    char line[MAX_LINE], in[MAX_LINE], out[MAX_LINE];
    long runs, kept;
    double seconds;
    stdout = fdopen(dup(STDOUT_FILENO), "w"); /* a library that prints must not get between the answers */
    dup2(STDERR_FILENO, STDOUT_FILENO);
    setvbuf(stdout, NULL, _IOFBF, BUFFER_BYTES); /* so that what fails halfway can be taken back */
    limit_resources();
    if (options->cores)
        pin(options->cores);
    open_model(options);
    while (fgets(line, sizeof line, stdin)) {
        kept = 0;
        if (sscanf(line, "time %ld %lf %ld", &runs, &seconds, &kept) >= 2)
            time_inferences(runs, seconds, kept, options->marks);
        else if (sscanf(line, "operators %ld", &runs) == 1 && runs > 0 && runs <= MAX_RUNS) {
            printf("{");
            session.print_operators(&session, (int)runs);
            finish_line();
        } else if (sscanf(line, "batch\t%[^\t]\t%[^\n]", in, out) == 2)
            run_batch(in, out);
        else if (!strcmp(line, "report\n"))
            report();
        else
            refuse("there is no such request");
    }
    _exit(0); /* without the runtimes' destructors, which have nothing left to save */
}
