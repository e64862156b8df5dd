/* SPDX-License-Identifier: MIT */
/* The box's PCI functions: found once at boot, bus mastering switched off. PCI Local Bus 3.0, chapter 6. */
#ifndef X86_PCI_HOST_H
#define X86_PCI_HOST_H

#include "mullion/abi.h"
#include "x86/acpi.h"

#define PCI_HOST_MAX 512u

/** First act on devices, on the boot map: finds all functions, by ECAM where MCFG has it below 4 GiB, else by mechanism
 * 1, and turns bus mastering off on endpoints. */
void pci_host_scan(const struct acpi_info *acpi);

uint32_t pci_host_count(void);

/** Fills segment, bdf, vendor, device and class of function `info->index` < pci_host_count(). */
void pci_host_info(struct mullion_pci_info *info);

#endif
