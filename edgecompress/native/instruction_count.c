/* A plugin for QEMU's user emulation that counts the guest's instructions between two marks.

   qemu-aarch64 -plugin libinstruction_count.so,out=FILE program
   FILE gets one line an interval: the instructions of all threads from mark 0 to mark 1. A mark is a system call that
   no kernel has. The declarations are those of QEMU's plugin interface, version 1 (QEMU 4.2 and later). */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t plugin_id;
struct block;
typedef void (*translate_callback)(plugin_id, struct block *);
typedef void (*execute_callback)(unsigned cpu, void *data);
typedef void (*call_callback)(plugin_id, unsigned cpu, int64_t number, uint64_t, uint64_t, uint64_t, uint64_t,
                              uint64_t, uint64_t, uint64_t, uint64_t);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, translate_callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct block *, execute_callback, int flags, void *data);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id, call_callback);
size_t qemu_plugin_tb_n_insns(const struct block *);

#define EXPORT __attribute__((visibility("default")))
enum { MARK = 0x5eed, MAX_CPUS = 256, NO_REGISTERS = 0 };

EXPORT int qemu_plugin_version = 1;

static uint64_t counts[MAX_CPUS]; /* one a thread, so that none waits for another */
static uint64_t at_start;
static FILE *out;

static uint64_t total(void) {
    uint64_t sum = 0;
    for (int cpu = 0; cpu < MAX_CPUS; cpu++)
        sum += counts[cpu];
    return sum;
}

static void executed(unsigned cpu, void *instructions) { counts[cpu % MAX_CPUS] += (uintptr_t)instructions; }

static void translated(plugin_id id, struct block *block) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(block, executed, NO_REGISTERS, (void *)qemu_plugin_tb_n_insns(block));
}

static void called(plugin_id id, unsigned cpu, int64_t number, uint64_t end, uint64_t a2, uint64_t a3, uint64_t a4,
                   uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
    (void)id, (void)cpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != MARK)
        return;
    if (!end) {
        at_start = total();
        return;
    }
    fprintf(out, "%" PRIu64 "\n", total() - at_start);
    fflush(out); /* the process may be killed at any moment */
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int count, char **arguments) {
    (void)info;
    if (count != 1 || strncmp(arguments[0], "out=", 4) || !(out = fopen(arguments[0] + 4, "w"))) {
        fprintf(stderr, "instruction_count: give out=FILE, in a folder that can be written\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
