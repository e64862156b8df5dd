/* SPDX-License-Identifier: MIT */
#include "core/core.h"

#define NPT_ADDRESS 0x000ffffffffff000ull
#define ENTRIES     512u

/* NPT_USER: nested accesses count as user accesses */
enum { NPT_PRESENT = 1 << 0, NPT_WRITE = 1 << 1, NPT_USER = 1 << 2, NPT_LARGE = 1 << 7 };
enum { LEVEL_PT = 1, LEVEL_PD = NPT_LEVEL_2M, LEVEL_PDPT, LEVEL_PML4 };

static uint64_t level_bytes(unsigned level) { return PAGE_BYTES << (9 * (level - 1)); }

static uint64_t *table_of(uint64_t entry) {
    return (uint64_t *)(uintptr_t)(entry & NPT_ADDRESS); // NOLINT(performance-no-int-to-ptr)
}

static bool is_table(uint64_t entry, unsigned level) {
    return (entry & NPT_PRESENT) != 0 && level > LEVEL_PT && (entry & NPT_LARGE) == 0;
}

static uint64_t *table_alloc(struct npt *npt) {
    uint64_t *table = npt->pages < npt->page_limit ? pool_alloc(1) : NULL;
    npt->pages += table != NULL;
    return table;
}

int npt_create(struct npt *npt, uint32_t page_limit, bool gigabyte_pages) {
    *npt = (struct npt){NULL, 0, page_limit, gigabyte_pages, 0, 0};
    npt->root = table_alloc(npt);
    return npt->root != NULL ? 0 : -MULLION_E_POOL;
}

/** The level at which the next page of the mapping is entered. */
static unsigned page_level(const struct npt *npt, uint64_t at, uint64_t to, uint64_t bytes) {
    unsigned level = npt->gigabyte_pages ? LEVEL_PDPT : LEVEL_PD;
    while (level > LEVEL_PT && ((at | to) % level_bytes(level) != 0 || bytes < level_bytes(level))) { level--; }
    return level;
}

uint64_t *npt_entry(struct npt *npt, uint64_t at, unsigned level) {
    uint64_t *table = npt->root;
    for (unsigned l = LEVEL_PML4; l > level; l--) {
        uint64_t *entry = &table[at / level_bytes(l) % ENTRIES];
        if ((*entry & NPT_PRESENT) == 0) {
            uint64_t *below = table_alloc(npt);
            if (below == NULL) { return NULL; }
            *entry = (uint64_t)(uintptr_t)below | NPT_PRESENT | NPT_WRITE | NPT_USER;
        }
        ASSERT(is_table(*entry, l));
        table = table_of(*entry);
    }
    return &table[at / level_bytes(level) % ENTRIES];
}

int npt_map_as(struct npt *npt, gpa_t at, hpa_t to, uint64_t bytes, uint64_t bits) {
    ASSERT(at.v + bytes <= BIT(NPT_ADDRESS_BITS) && at.v + bytes > at.v);
    for (uint64_t done = 0; done < bytes;) {
        unsigned level = page_level(npt, at.v + done, to.v + done, bytes - done);
        uint64_t *entry = npt_entry(npt, at.v + done, level);
        if (entry == NULL) {
            npt_unmap(npt, at, bytes);
            return -MULLION_E_POOL;
        }
        ASSERT(!is_table(*entry, level));
        *entry = (to.v + done) | bits | (level > LEVEL_PT ? NPT_LARGE : 0);
        done += level_bytes(level);
    }
    return 0;
}

int npt_map(struct npt *npt, gpa_t at, hpa_t to, uint64_t bytes, bool writable) {
    return npt_map_as(npt, at, to, bytes, NPT_PRESENT | NPT_USER | (writable ? NPT_WRITE : 0) | npt->ram);
}

int npt_map_device(struct npt *npt, gpa_t at, hpa_t to, uint64_t bytes) {
    return npt_map_as(npt, at, to, bytes, NPT_PRESENT | NPT_USER | NPT_WRITE | npt->device);
}

static bool is_empty(const uint64_t *table) {
    for (unsigned i = 0; i < ENTRIES; i++) {
        if (table[i] != 0) { return false; }
    }
    return true;
}

/** Clears the part of `table` (which maps from `base`) that lies in [from, to); frees tables that become
 * empty. */
static void unmap_in(struct npt *npt, uint64_t *table, unsigned level, uint64_t base, uint64_t from, uint64_t to) {
    uint64_t step = level_bytes(level);
    uint64_t first = from > base ? (from - base) / step : 0;
    for (uint64_t i = first; i < ENTRIES && base + i * step < to; i++) {
        if (is_table(table[i], level)) {
            uint64_t *below = table_of(table[i]);
            unmap_in(npt, below, level - 1, base + i * step, from, to);
            if (!is_empty(below)) { continue; }
            pool_free(below, 1);
            npt->pages--;
        }
        table[i] = 0;
    }
}

void npt_unmap(struct npt *npt, gpa_t at, uint64_t bytes) {
    unmap_in(npt, npt->root, LEVEL_PML4, 0, at.v, at.v + bytes);
}

void npt_destroy(struct npt *npt) {
    if (npt->root == NULL) { return; }
    npt_unmap(npt, gpa(0), BIT(NPT_ADDRESS_BITS));
    pool_free(npt->root, 1);
    npt->root = NULL;
    npt->pages--;
}
