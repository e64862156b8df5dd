/* SPDX-License-Identifier: MIT */
/* The box's PCI functions: found once at boot, bus mastering switched off; who may be given away. PCI Local Bus 3.0,
 * chapter 6; PCI Express 5.0, section 7.5. */
#pragma once

#include "dev/pci.h"
#include "mullion/abi.h"

enum { PCI_HOST_MAX = 512, PCI_CAPABILITIES_MAX = 32 };

/** First act on devices, on the boot map, by `platform`: finds all functions, other segments' only where MCFG has them
 * below 4 GiB; turns bus mastering off on endpoints; finds out which can be given away, and sizes their BARs. */
void pci_host_scan(void);

uint32_t pci_host_count(void);

/** A base address register as the firmware left it; bytes is 0 unless a memory BAR begins there. */
struct pci_host_bar {
    uint32_t value;
    uint64_t address, bytes;
};

struct pci_host_capability {
    uint8_t id, at;
};

struct pci_host_function {
    struct mullion_pci_info info;
    struct pci_host_bar bars[PCI_BARS];                            /* all zero unless it is usable */
    struct pci_host_capability capabilities[PCI_CAPABILITIES_MAX]; /* in the order of their chain */
    uint32_t capability_count;
    uint16_t device_control; /* of PCI Express, as the firmware left it */
};

/** Fills all but the index, which is < pci_host_count(). */
void pci_host_info(struct mullion_pci_info *info);

/** Function `index` < pci_host_count(). */
struct pci_host_function *pci_host_function(uint32_t index);

/** Configuration space of segment 0, a 32-bit register below 256 by mechanism 1, on CPU 0 only. Writes the bytes of
 * `lanes`. */
uint32_t pci_host_read(uint16_t bdf, uint32_t reg);
void pci_host_write(uint16_t bdf, uint32_t reg, uint32_t value, uint32_t lanes);

/** Offset of the first capability of this kind, or 0. */
uint32_t pci_host_find(const struct pci_host_function *f, enum pci_capability id);
