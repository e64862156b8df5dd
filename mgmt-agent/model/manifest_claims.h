/* SPDX-License-Identifier: MIT */
/* The CPUs of a box while a layout is made: who has which, and why one cannot be had. */
#ifndef MODEL_MANIFEST_CLAIMS_H
#define MODEL_MANIFEST_CLAIMS_H

#include "model/manifest.h"
#include "model/manifest_facts.h"

#define CLAIMS_TEXT_BYTES 200u

struct claims {
    const struct manifest *manifest;
    const struct facts *facts;
    const struct partition_spec *owner[FACTS_MAX_CPUS];    /* of a shared one, the last */
    bool lends[FACTS_MAX_CPUS];                            /* all who have it share their cores */
    const struct partition_spec *named_by[FACTS_MAX_CPUS]; /* the first list that names it; not for counts */
};

/** Begins: all CPUs are free, and it is known which ones lists name. */
void claims_begin(struct claims *claims, const struct manifest *manifest, const struct facts *facts);

/** Gives CPUs to a partition. */
void claims_take(struct claims *claims, const struct partition_spec *spec, const uint32_t *cpus,
                 unsigned count);

/** @return whether somebody has this CPU with whom this partition cannot have it by time slots */
bool claims_is_taken(const struct claims *claims, const struct partition_spec *spec, unsigned cpu);

/** @return another CPU of the same core that somebody has with whom this partition does not share; -1: none
 */
int claims_neighbour(const struct claims *claims, const struct partition_spec *spec, unsigned cpu);

/** @return whether a partition that gave a count can have this CPU */
bool claims_is_free(const struct claims *claims, const struct partition_spec *spec, unsigned cpu);

/** Chooses CPUs of one node (FACTS_UNKNOWN: of all). @return how many there are, at most `wanted` */
unsigned claims_choose(const struct claims *claims, const struct partition_spec *spec, unsigned node,
                       unsigned wanted, uint32_t *cpus);

/** Writes which CPUs the partition could have, and why not the others. @return how many it could have */
unsigned claims_describe(const struct claims *claims, const struct partition_spec *spec,
                         char free[CLAIMS_TEXT_BYTES], char taken[CLAIMS_TEXT_BYTES]);

#endif
