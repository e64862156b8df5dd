/* SPDX-License-Identifier: MIT */
/* The agent's RAM above its image, in pages, for musl's allocator. */
#ifndef OS_HEAP_H
#define OS_HEAP_H

#include <stddef.h>
#include <stdint.h>

#define HEAP_PAGE_BYTES 4096u

/** @return zeroed pages that hold `bytes`, NULL if there is no such run of free ones */
void *heap_take(size_t bytes);

/** Gives pages back; what lies outside the heap is left alone. */
void heap_give(void *address, size_t bytes);

#endif
