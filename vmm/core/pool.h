/* SPDX-License-Identifier: MIT */
/* The VMM's own pages: one block taken at boot, identity-mapped, handed out page by page. */
#pragma once

#include "core/types.h"

/** Takes [start, start + bytes) as the pool; both page aligned. The first pages hold the pool's own bitmap.
 */
void pool_init(void *start, uint64_t bytes);

/** `pages` contiguous zeroed pages, or NULL. */
void *pool_alloc(uint64_t pages);

/** Gives back what pool_alloc() returned. The pages are zeroed again when they are next handed out. */
void pool_free(void *start, uint64_t pages);

/** Start and size of the block. */
hpa_t pool_start(void);
uint64_t pool_bytes(void);
