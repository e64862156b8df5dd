/* SPDX-License-Identifier: MIT */
/* Which frames a partition gets, and where its guest sees them. */
#ifndef MODEL_MEMORY_H
#define MODEL_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "mullion/abi.h"

/** The ranges chosen for one partition, in the order of their guest-physical addresses. */
struct memory_choice {
    unsigned count;
    bool dirty; /* some of it waits for scrubbing */
    struct {
        uint64_t gpa, hpa, bytes;
    } ranges[MULLION_MAX_RANGES];
};

/**
 * Chooses memory: the lowest run that holds all of it, else the fewest runs, largest first. Memory that waits
 * for scrubbing counts, so that the choice depends on the owners only and not on how far scrubbing has come.
 * @param runs as MEMORY_INFO gives them, ascending
 * @param bytes wanted, a multiple of MULLION_FRAME_BYTES
 * @return 0; -MULLION_E_MEMORY_BUSY if there is not enough; -MULLION_E_RANGE_LIMIT if it is in too many
 * pieces
 */
int memory_choose(const struct mullion_memory_info *runs, unsigned run_count, uint64_t bytes,
                  struct memory_choice *choice);

/**
 * Chooses one piece for a partition that sees its memory at the addresses of the box: the lowest that fits
 * below MACHINE_LOW_RAM_END.
 * @return 0 or -MULLION_E_MEMORY_BUSY
 */
int memory_choose_block(const struct mullion_memory_info *runs, unsigned run_count, uint64_t bytes,
                        uint64_t *hpa, bool *dirty);

#endif
