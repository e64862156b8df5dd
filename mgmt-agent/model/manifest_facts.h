/* SPDX-License-Identifier: MIT */
/* What has to be known of a box to say whether a manifest fits it: the box's own knowledge, or a file's. */
#ifndef MODEL_MANIFEST_FACTS_H
#define MODEL_MANIFEST_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "mullion/abi.h"

#define FACTS_MAX_CPUS   256u
#define FACTS_MAX_RUNS   512u
#define FACTS_MAX_IMAGES 64u
#define FACTS_MAX_NODES  64u
#define FACTS_UNKNOWN    UINT16_MAX

struct facts_cpu {
    bool usable;         /* it started */
    uint16_t core, node; /* FACTS_UNKNOWN: nobody says */
};

/** A file that partitions can start from: its contents, or their sum, or neither. */
struct facts_image {
    const char *name;
    const uint8_t *data; /* NULL: not at hand */
    uint64_t bytes;
    const char *sha256; /* NULL: not known */
};

struct facts {
    unsigned cpu_count, run_count, image_count;
    struct facts_cpu cpus[FACTS_MAX_CPUS]; /* CPU 0 is the agent's */
    /** Memory that partitions have or could have, ascending; all as MULLION_OWNER_FREE. */
    struct mullion_memory_info runs[FACTS_MAX_RUNS];
    uint16_t nodes[FACTS_MAX_RUNS]; /* of the runs */
    struct facts_image images[FACTS_MAX_IMAGES];
};

/** Adds memory behind that which is known; joins it with the last run where they meet. @return whether there
 * was room */
bool facts_add_memory(struct facts *facts, uint64_t hpa, uint64_t bytes, uint16_t node);

/** @return bytes for partitions altogether */
uint64_t facts_memory(const struct facts *facts);

#endif
