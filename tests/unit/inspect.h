/* SPDX-License-Identifier: MIT */
/* What tests look up and the VMM itself never does. */
#ifndef TESTS_INSPECT_H
#define TESTS_INSPECT_H

#include "core/frames.h"
#include "core/pool.h"
#include "x86/npt.h"

/* Does the partition own the frame of this address? */
static inline bool frame_owned_by(const struct frame *table, hpa_t address, uint32_t partition)
{
    struct frame frame = table[address.v / FRAME_BYTES];
    return frame.owner == MULLION_OWNER_PARTITION && frame.partition == partition;
}

/* What the CPU would find for `at` (AMD64 APM volume 2, section 5.3); false if nothing. */
static inline bool npt_translate(const struct npt *npt, gpa_t at, hpa_t *to, bool *writable)
{
    const uint64_t address = 0x000ffffffffff000ull;
    const uint64_t *table = npt->root;
    for (unsigned shift = 39;; shift -= 9) {
        uint64_t entry = table[at.v >> shift & 511];
        uint64_t offset = BIT(shift) - 1;
        if ((entry & BIT(0)) == 0)
            return false;
        if (shift == 12 || (entry & BIT(7)) != 0) {
            *to = hpa((entry & address & ~offset) | (at.v & offset));
            *writable = (entry & BIT(1)) != 0;
            return true;
        }
        table = (const uint64_t *)(uintptr_t)(entry & address);
    }
}

/* How many single pages the pool would give. */
static inline uint64_t pool_free_pages(void)
{
    uint64_t pages = 0;
    void **taken = NULL;
    for (void **page = pool_alloc(1); page; page = pool_alloc(1), pages++) {
        *page = taken;
        taken = page;
    }
    while (taken) {
        void **page = taken;
        taken = *page;
        pool_free(page, 1);
    }
    return pages;
}

#endif
