/* SPDX-License-Identifier: MIT */
/*
 * Which CPUs and which memory each partition gets. The same manifest on the same box always gives the same
 * answer: CPUs that are named first, then in the order of the file those that are counted, whole cores from
 * the lowest on in the lowest NUMA node that has room; memory in the order of the file, of the CPUs' nodes,
 * the lowest that fits.
 */
#ifndef MODEL_MANIFEST_LAYOUT_H
#define MODEL_MANIFEST_LAYOUT_H

#include "model/manifest.h"
#include "model/manifest_facts.h"
#include "model/memory.h"

/** What one partition gets. */
struct layout_part {
    char name[MULLION_NAME_BYTES]; /* empty: it gets nothing, for it has an error */
    uint32_t cpu_count;
    uint32_t cpus[MULLION_MAX_VCPUS];
    struct memory_choice memory;
};

/** What each partition of a manifest gets, by its index there. */
struct layout {
    unsigned count;
    struct layout_part parts[MANIFEST_MAX_PARTITIONS];
};

/**
 * Lays out every valid partition and fills in the CPUs of those that gave a count. What the box does not have
 * is a problem, and the partition becomes not `valid`.
 * @param kept what partitions have that must not move; they are recognised by their names. NULL: nothing
 */
void layout_make(struct layout *layout, struct manifest *manifest, struct json *json,
                 const struct facts *facts, const struct layout *kept);

/** Layer 4 of the checks: layout_make without `kept`, and the images. */
void layout_check(struct layout *layout, struct manifest *manifest, struct json *json,
                  const struct facts *facts);

#endif
