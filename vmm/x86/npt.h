/* SPDX-License-Identifier: MIT */
/*
 * Nested page tables: guest-physical to host-physical. AMD64 APM volume 2, section 15.25.
 *
 *   PML4 -> PDPT -> (1 GiB page | PD -> (2 MiB page | PT -> 4 KiB page))
 *
 * The largest page that address, size and alignment allow is used. Tables come from the pool within a limit.
 */
#ifndef X86_NPT_H
#define X86_NPT_H

#include "core/types.h"

#define NPT_ADDRESS_BITS 48u /* what four levels reach */

struct npt {
    uint64_t *root;
    uint32_t pages; /* tables in use */
    uint32_t page_limit;
    bool gigabyte_pages; /* the CPU has them */
};

/** An empty address space. Returns 0 or -MULLION_E_POOL. */
int npt_create(struct npt *npt, uint32_t page_limit, bool gigabyte_pages);

/** Frees all tables. */
void npt_destroy(struct npt *npt);

/**
 * Maps [at, at + bytes) to [to, to + bytes); all page aligned, nothing mapped there before.
 * Returns 0 or -MULLION_E_POOL (the range is then unmapped again).
 */
int npt_map(struct npt *npt, gpa_t at, hpa_t to, uint64_t bytes, bool writable);

/** Removes whatever was mapped in the range by npt_map() calls that lie wholly inside it. */
void npt_unmap(struct npt *npt, gpa_t at, uint64_t bytes);

/** What `at` is mapped to; false if nothing is. */
bool npt_translate(const struct npt *npt, gpa_t at, hpa_t *to, bool *writable);

#endif
