/* SPDX-License-Identifier: MIT */
/*
 * PCI functions of the box given to a partition that shares CPU 0: its configuration space filtered, its memory BARs
 * mapped but for the pages with the MSI-X table, its interrupts taken by CPU 0 and passed on as the partition's own
 * table says. Everything here runs on CPU 0. PCI Local Bus 3.0; PCI Express 5.0, section 7.5; PCI Power Management 1.2.
 */
#pragma once

#include "core/partition.h"

/** PCI_ASSIGN; see abi.h. */
int passthrough_assign(struct partition *p, const struct mullion_pci_assign *request);

/** Ends all DMA of the partition's functions and begins to reset them: before its memory changes hands, or a new start.
 */
void passthrough_quiesce(const struct partition *p);

/** Before a new start. @return -MULLION_E_PCI_UNUSABLE if a function could not be reset */
int passthrough_check_reset(const struct partition *p);

/** The partition is destroyed: its functions, quiesced, belong to nobody. */
void passthrough_release(const struct partition *p);

/** Access to `offset` in the partition's window of host BARs, where nothing is mapped: trapped pages, or nothing. */
uint64_t passthrough_read(struct partition *p, uint64_t offset, unsigned bytes);
void passthrough_write(struct partition *p, uint64_t offset, unsigned bytes, uint64_t value);

/** A host vector has arrived on CPU 0; one that belongs to no function is ignored. */
void passthrough_interrupt(uint8_t vector);
