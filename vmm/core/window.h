/* SPDX-License-Identifier: MIT */
/*
 * The only way to a partition's memory: a 2 MiB window per CPU, mapped as a user page under SMAP and only
 * while a copy is in progress. Nothing else in the VMM's address space belongs to a partition.
 */
#ifndef CORE_WINDOW_H
#define CORE_WINDOW_H

#include "core/types.h"

/** Copies out of physical memory; the range must lie in one frame. */
void window_read(hpa_t from, void *to, size_t bytes);

/** Copies into physical memory; the range must lie in one frame. */
void window_write(hpa_t to, const void *from, size_t bytes);

/** Zeroes one frame. */
void window_scrub(hpa_t frame);

#endif
