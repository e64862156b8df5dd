/* SPDX-License-Identifier: MIT */
#include "heap.h"

#include <stdbool.h>
#include <string.h>

#include "kernel.h"

#define PAGES ((KERNEL_RAM_BYTES - KERNEL_IMAGE_END) / HEAP_PAGE_BYTES)

static bool used[PAGES];
static size_t look_from; /* no page below it is free */

static uint8_t *page_at(size_t page)
{
    return (uint8_t *)(uintptr_t)(KERNEL_IMAGE_END +
                                  page * HEAP_PAGE_BYTES); // NOLINT(performance-no-int-to-ptr)
}

static size_t pages_in(size_t bytes)
{
    return bytes / HEAP_PAGE_BYTES + (bytes % HEAP_PAGE_BYTES != 0);
}

/* First run of `count` free pages; PAGES if there is none. */
static size_t find(size_t count)
{
    size_t run = 0;
    for (size_t page = look_from; page < PAGES; page++) {
        run = used[page] ? 0 : run + 1;
        if (run == count) {
            return page + 1 - count;
        }
    }
    return PAGES;
}

void *heap_take(size_t bytes)
{
    size_t count = pages_in(bytes);
    size_t first = count == 0 ? PAGES : find(count);
    if (first == PAGES) {
        return NULL;
    }
    memset(used + first, 1, count);
    look_from = first == look_from ? first + count : look_from;
    return memset(page_at(first), 0, count * HEAP_PAGE_BYTES);
}

void heap_give(void *address, size_t bytes)
{
    uintptr_t at = (uintptr_t)address;
    size_t count = pages_in(bytes);
    if (at < KERNEL_IMAGE_END || at >= KERNEL_RAM_BYTES || at % HEAP_PAGE_BYTES != 0) {
        return;
    }
    size_t first = (at - KERNEL_IMAGE_END) / HEAP_PAGE_BYTES;
    if (count <= PAGES - first) {
        memset(used + first, 0, count);
        look_from = first < look_from ? first : look_from;
    }
}
