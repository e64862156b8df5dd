/* SPDX-License-Identifier: MIT */
#include "core/core.h"

static uint8_t *used; /* the pool begins with one byte per page */
static uint64_t page_count;
static struct spinlock lock;

void pool_init(void *start, uint64_t bytes) {
    used = start;
    page_count = bytes / PAGE_BYTES;
    memset(used, 0, page_count);
    memset(used, 1, align_up(page_count, PAGE_BYTES) / PAGE_BYTES); /* its own pages */
}

static uint64_t run_length(uint64_t first, uint64_t wanted) {
    uint64_t length = 0;
    while (length < wanted && first + length < page_count && used[first + length] == 0) { length++; }
    return length;
}

void *pool_alloc(uint64_t pages) {
    void *found = NULL;
    spin_lock(&lock);
    for (uint64_t first = 0; first + pages <= page_count && found == NULL;) {
        uint64_t length = run_length(first, pages);
        if (length == pages) {
            memset(used + first, 1, pages);
            found = used + first * PAGE_BYTES;
        }
        first += length + 1;
    }
    spin_unlock(&lock);
    if (found != NULL) { memset(found, 0, pages * PAGE_BYTES); }
    return found;
}

void pool_free(void *start, uint64_t pages) {
    uint64_t first = (uint64_t)((uint8_t *)start - used) / PAGE_BYTES;
    spin_lock(&lock);
    for (uint64_t i = first; i < first + pages; i++) {
        ASSERT(i < page_count && used[i] == 1);
        used[i] = 0;
    }
    spin_unlock(&lock);
}

hpa_t pool_start(void) { return hpa((uint64_t)(uintptr_t)used); }

uint64_t pool_bytes(void) { return page_count * PAGE_BYTES; }
