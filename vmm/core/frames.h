/* SPDX-License-Identifier: MIT */
/*
 * The owner of every 2 MiB frame of RAM. A frame has one owner; memory that changes hands is scrubbed in
 * between:
 *
 *   boot, release -> DIRTY -> (scrub, one frame at a time, on idle CPUs) -> FREE -> frames_claim -> PARTITION
 */
#pragma once

#include "core/vmm.h"

struct frame {
    uint8_t owner;     /* enum mullion_owner, or FRAME_SCRUBBING while a CPU clears it */
    uint8_t partition; /* if MULLION_OWNER_PARTITION */
};

/** Boot, once, with platform.boot and the CPUs of the MADT: takes the VMM's pool and the frame table, gives each frame
 * its first owner (memory.c). Fatal if there is too little memory. */
void memory_init(void);

/** Takes `table` (one entry per frame below `end`, zeroed) into use: all frames MULLION_OWNER_RESERVED. */
void frames_init(struct frame *table, uint64_t end);

/** Boot only: every frame wholly inside the range becomes MULLION_OWNER_DIRTY. */
void frames_add_ram(uint64_t start, uint64_t bytes);

/** Boot only: every frame touched by the range gets `owner`. */
void frames_reserve(uint64_t start, uint64_t bytes, enum mullion_owner owner);

/** Boot only: takes a run of dirty frames below `limit`, the highest that fits; 0 address if there is none.
 */
hpa_t frames_take(uint64_t bytes, uint64_t limit, enum mullion_owner owner, uint32_t partition);

/**
 * Gives free frames to a partition, all or none. Range 2 MiB aligned. Errors: -MULLION_E_MEMORY_NOT_RAM,
 * _BUSY, _DIRTY with *failed = the address of the first offending frame (else 0) and *failed_owner = owner << 16 |
 * partition.
 */
int frames_claim(hpa_t start, uint64_t bytes, uint32_t partition, uint64_t *failed, uint32_t *failed_owner);

/** Takes frames from a partition: they become dirty. */
void frames_release(hpa_t start, uint64_t bytes);

/** Clears one dirty frame; false if there is none. Callable on any CPU. */
bool frames_scrub_step(void);

/** MEMORY_INFO: the info->index-th run of frames of one owner; -MULLION_E_RANGE past the last. */
int frames_info(struct mullion_memory_info *info);
