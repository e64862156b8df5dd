/* SPDX-License-Identifier: MIT */
/*
 * The VMM's own address space, shared by all CPUs. Virtual equals physical below DEVICE_BASE.
 *
 *   image       text RX, rodata R, data RW        4 KiB pages
 *   pool        RW, stack guards unmapped          4 KiB pages
 *   devices     RW, uncached (screen: write-combining)
 *   modules     R: the agent's pristine image
 *   DEVICE_BASE the trapped pages of PCI functions of partitions, RW, uncached (passthrough.c)
 *   WINDOW_BASE a few 2 MiB user pages per CPU, absent but while a copy is in progress (window.c)
 */
#pragma once

#include "core/types.h"

#define WINDOW_BASE  0x7f0000000000ull
#define WINDOW_COUNT 2048u /* of all CPUs together */
#define DEVICE_BASE  0x7e0000000000ull

enum paging_rights { PAGING_READ, PAGING_READ_WRITE, PAGING_EXECUTE, PAGING_DEVICE, PAGING_WRITE_COMBINING };

/** Builds the tables with image and pool. They are not used before paging_activate(). */
void paging_init(void);

/** Boot only: maps [start, start + bytes), grown to page borders, at its own address. */
void paging_map(uint64_t start, uint64_t bytes, enum paging_rights rights);

/** Maps pages of a device, CPU 0 only; nothing else was there before. @return 0 or -MULLION_E_POOL */
int paging_map_device(uint64_t at, hpa_t device, uint64_t bytes);

/** Boot only: takes one page of the pool out of the address space (a stack guard). */
void paging_unmap_page(const void *page);

/** Loads CR3 and the PAT on this CPU; on application processors CR3 is loaded by the trampoline already. */
void paging_activate(void);

/** CR3 of the VMM. */
uint64_t paging_root(void);

/** The page-directory entry behind window `index`. */
uint64_t *paging_window_entry(uint32_t index);
