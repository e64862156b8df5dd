/* SPDX-License-Identifier: MIT */
/* The box as the VMM reports it: platform, CPUs, memory by owner, boot modules. */
#ifndef MODEL_BOX_H
#define MODEL_BOX_H

#include <stdbool.h>
#include <stdint.h>

#include "model/problem.h"
#include "mullion/abi.h"

#define BOX_MAX_CPUS    256u
#define BOX_MAX_MODULES 64u
#define BOX_MAX_RUNS    512u

/** A boot module: the words of its line, and its bytes mapped read-only. */
struct box_module {
    char kind[MULLION_NAME_BYTES]; /* first word: MULLION_MODULE_... or "image" */
    char name[MULLION_TEXT_BYTES]; /* second word, or empty */
    const uint8_t *data;
    uint64_t bytes;
};

struct box {
    struct mullion_platform_info platform;
    unsigned cpu_count, module_count, run_count;
    struct mullion_cpu_info cpus[BOX_MAX_CPUS];
    struct box_module modules[BOX_MAX_MODULES];
    struct mullion_memory_info runs[BOX_MAX_RUNS];
};

/** Asks the VMM for everything; a limit of this table that the box exceeds becomes a problem. */
void box_read(struct box *box, struct problem_list *problems);

/** Asks again for what changes: owners of CPUs and memory. */
void box_refresh(struct box *box);

/** @return the module of this kind (and, if `name` is not NULL, this name), or NULL */
const struct box_module *box_module(const struct box *box, const char *kind, const char *name);

/** @return bytes of memory with this owner; of MULLION_OWNER_PARTITION only those with this identifier */
uint64_t box_memory(const struct box *box, enum mullion_owner owner, uint32_t partition);

/** @return memory that partitions have or could have: free, waiting for scrubbing, or owned by one but the
 * agent */
uint64_t box_partition_memory(const struct box *box);

/** @return CPUs in this state; of MULLION_CPU_OWNED only those of partitions other than the agent */
unsigned box_cpus(const struct box *box, enum mullion_cpu_state state);

/** @return milliseconds between two readings of the time-stamp counter */
uint64_t box_ms(const struct box *box, uint64_t from_tsc, uint64_t to_tsc);

#endif
