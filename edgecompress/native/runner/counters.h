/* What the system tells of a block's surroundings: of others' work, which a clock takes for the model's. */
#ifndef EDGECOMPRESS_COUNTERS_H
#define EDGECOMPRESS_COUNTERS_H

#include <stdint.h>

/* Sums since some beginning; -1 where the system does not tell. */
struct counters {
    int64_t waited_ns; /* that threads of this process stood in a queue for a core, all together */
    int64_t preempted; /* times that one of them had to leave its core */
    int64_t busy_ns;   /* of the cores of a mask, for whomever, in ticks of about 10 ms */
    int64_t stolen_ns; /* of these, by the hypervisor */
};

/* A mask of the cores that this process may run on. */
uint64_t allowed_cores(void);

struct counters read_counters(uint64_t cores);

/* Print the difference as members of a JSON object, null for what is not told, with a comma behind each. */
void print_counters(struct counters before, struct counters after);

#endif
