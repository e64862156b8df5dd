/* SPDX-License-Identifier: MIT */
/*
 * The MSI-X table of one function, as its partition sees it. PCI Local Bus 3.0, section 6.8.2.
 * Callers hold the lock of whatever the table belongs to.
 */
#pragma once

#include "core/types.h"

#define MSIX_MAX         16u /* entries that the VMM keeps per function */
#define MSIX_ENTRY_BYTES 16u
#define MSI_ADDRESS      0xfee00000ull /* of messages: the local APICs */

struct msix_entry {
    uint64_t address;
    uint32_t data, masked; /* masked: 0 or 1 */
};

_Static_assert(sizeof(struct msix_entry) == MSIX_ENTRY_BYTES, "as the driver sees it");

struct msix {
    uint16_t count;       /* entries, 1..MSIX_MAX */
    bool enabled, masked; /* message control: bits 15 and 14 */
    uint32_t pending;     /* a bit by entry */
    struct msix_entry entries[MSIX_MAX];
};

/** As after power-up: disabled, every entry masked. */
void msix_reset(struct msix *msix, uint16_t count);

/** Message control, the upper half of the capability's first register. */
uint16_t msix_control(const struct msix *msix);
void msix_set_control(struct msix *msix, uint16_t value);

/** Table access at `offset` of 4 or 8 aligned bytes; others read as 0 and write nothing. */
uint64_t msix_table_read(const struct msix *msix, uint64_t offset, unsigned bytes);
void msix_table_write(struct msix *msix, uint64_t offset, unsigned bytes, uint64_t value);

/** Pending bits, as the PBA shows them. */
uint64_t msix_pending(const struct msix *msix);

/** Entry `index` wants to interrupt. @return true if its message goes out now; else it stays pending, or MSI-X is off.
 */
bool msix_raise(struct msix *msix, unsigned index);

/** @return the lowest entry that is pending and no longer masked (it is pending no more), or -1 */
int msix_unmasked(struct msix *msix);
