/* SPDX-License-Identifier: MIT */
/*
 * Page tables of four levels: nested ones, guest-physical to host-physical (AMD64 APM volume 2, section 15.25; Intel
 * SDM volume 3, "The Extended Page Table Mechanism"), and the VMM's own (paging.c). They have the same form: where the
 * others have present, writable and user, EPT has readable, writable and executable; only memory types differ.
 *
 *   PML4 -> PDPT -> (1 GiB page | PD -> (2 MiB page | PT -> 4 KiB page))
 *
 * The largest page that address, size and alignment allow is used. Tables come from the pool within a limit.
 */
#pragma once

#include "core/types.h"

#define NPT_LEVEL_2M     2u
#define NPT_ADDRESS_BITS 48u /* what four levels reach */

struct npt {
    uint64_t *root;
    uint32_t pages; /* tables in use */
    uint32_t page_limit;
    bool gigabyte_pages;  /* the CPU has them */
    uint64_t ram, device; /* memory types: bits of a last-level entry */
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

/** The same for registers of a device. */
int npt_map_device(struct npt *npt, gpa_t at, hpa_t to, uint64_t bytes);

/** The same with the bits of each last-level entry as given; what was mapped there with pages of the same size is
 * replaced. */
int npt_map_as(struct npt *npt, gpa_t at, hpa_t to, uint64_t bytes, uint64_t bits);

/** The entry for `at` at `level` (NPT_LEVEL_2M: of a page directory), with tables made on the way; NULL: pool or limit
 * exhausted. */
uint64_t *npt_entry(struct npt *npt, uint64_t at, unsigned level);

/** Removes whatever was mapped in the range by npt_map() calls that lie wholly inside it. */
void npt_unmap(struct npt *npt, gpa_t at, uint64_t bytes);
