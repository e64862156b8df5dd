/* SPDX-License-Identifier: MIT */
/*
 * The only way to a partition's memory: a few 2 MiB windows per CPU, mapped as user pages under SMAP. A frame that was
 * looked at stays in its window until window_close(), which ends each copy of a caller before a guest is entered.
 * Nothing else in the VMM's address space belongs to a partition. Each range must lie in one frame. An aligned 16-bit
 * word is read and written at once; the order is that of the program.
 */
#pragma once

#include "core/types.h"

void window_read(hpa_t from, void *to, size_t bytes);
void window_write(hpa_t to, const void *from, size_t bytes);
void window_copy(hpa_t to, hpa_t from, size_t bytes);

/** Zeroes one frame, and closes the windows. */
void window_scrub(hpa_t frame);

/** Unmaps all windows of this CPU. */
void window_close(void);
