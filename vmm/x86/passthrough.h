/* SPDX-License-Identifier: MIT */
/* PCI functions of the box given to a partition. PCI Local Bus 3.0; PCI Express 5.0, section 7.5. */
#ifndef X86_PASSTHROUGH_H
#define X86_PASSTHROUGH_H

#include "core/partition.h"

/** PCI_ASSIGN; see abi.h. */
int passthrough_assign(struct partition *p, const struct mullion_pci_assign *request);

/** Ends all DMA of the partition's functions and resets them: before its memory changes hands, or a new start. */
void passthrough_quiesce(const struct partition *p);

/** The partition is destroyed: its functions, quiesced, belong to nobody. */
void passthrough_release(struct partition *p);

#endif
