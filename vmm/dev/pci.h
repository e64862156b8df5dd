/* SPDX-License-Identifier: MIT */
/*
 * The virtual PCI bus of a partition: bus 0 with a host bridge at 00:00.0, reached by CF8/CFC and ECAM.
 * Source: PCI Local Bus 3.0 section 3.2.2.3.2 (mechanism 1), PCI Express 5.0 section 7.2.2 (ECAM).
 */
#ifndef DEV_PCI_H
#define DEV_PCI_H

#include "core/types.h"

struct pci_bus {
    uint32_t address; /* the CF8 register, mechanism 1 */
};

void pci_bus_reset(struct pci_bus *bus);

/** IN of `bytes` (1, 2, 4) at port 0xcf8..0xcff. */
uint32_t pci_port_read(const struct pci_bus *bus, uint16_t port, unsigned bytes);

/** OUT of `bytes` (1, 2, 4) at port 0xcf8..0xcff. Only a 4-byte write at 0xcf8 sets the address. */
void pci_port_write(struct pci_bus *bus, uint16_t port, unsigned bytes, uint32_t value);

/** ECAM read at `offset` in the 1 MiB of bus 0; absent functions read as all ones. */
uint64_t pci_ecam_read(const struct pci_bus *bus, uint64_t offset, unsigned bytes);

#endif
