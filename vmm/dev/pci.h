/* SPDX-License-Identifier: MIT */
/*
 * The virtual PCI bus of a partition: bus 0, flat, with a host bridge in slot 0, reached by CF8/CFC and ECAM.
 * Source: PCI Local Bus 3.0 section 3.2.2.3.2 (mechanism 1), PCI Express 5.0 section 7.2.2 (ECAM).
 */
#pragma once

#include "core/types.h"
#include "mullion/machine.h"

/** Registers of configuration space, by offset: COMMAND with the status, six BARs to 0x27. */
// clang-format off
enum pci_register {
    PCI_ID = 0x00, PCI_COMMAND = 0x04, PCI_CLASS = 0x08, PCI_HEADER = 0x0c, PCI_BAR = 0x10, PCI_SUBSYSTEM = 0x2c,
    PCI_CAPABILITIES = 0x34, PCI_INTERRUPT = 0x3c
};

/** Identifiers of capabilities. */
enum pci_capability {
    PCI_CAP_PM = 0x01, PCI_CAP_VPD = 0x03, PCI_CAP_VENDOR = 0x09, PCI_CAP_EXPRESS = 0x10, PCI_CAP_MSIX = 0x11, PCI_CAP_AF = 0x13
};
// clang-format on

enum { PCI_COMMAND_IO = 1 << 0, PCI_COMMAND_MEMORY = 1 << 1 };
enum { PCI_COMMAND_MASTER = 1 << 2, PCI_COMMAND_NO_INTX = 1 << 10 };
enum { PCI_STATUS_CAPS = 1 << 20, PCI_HEADER_MULTI = 1 << 23 }; /* in the registers of PCI_COMMAND, PCI_HEADER */
/* PCI_EXPRESS_CONTROL: device control, by its offset in that capability. */
enum { PCI_BARS = 6, PCI_BAR_IO = 1, PCI_EXPRESS_CONTROL = 8 };
#define PCI_BAR_TYPE 0xfu /* of a memory BAR, the bits that are no address */

/** A function plugged into a slot. Registers are 32-bit, `reg` is a multiple of 4 below 4096. */
struct pci_function_ops {
    uint32_t (*read)(void *device, uint32_t reg);
    /** Writes the bits of `lanes` (whole bytes). */
    void (*write)(void *device, uint32_t reg, uint32_t value, uint32_t lanes);
};

struct pci_slot {
    const struct pci_function_ops *ops; /* NULL: empty */
    void *device;
};

struct pci_bus {
    uint32_t address; /* the CF8 register, mechanism 1 */
    struct pci_slot slots[MACHINE_SLOTS];
};

/** A base address register that stays where it was put: writing all ones makes it answer its size until the next write.
 */
struct pci_bar {
    uint32_t value, size; /* address and type bits; size in bytes, a power of 2, 0 = not implemented */
    bool sizing;
};

uint32_t pci_bar_read(const struct pci_bar *bar);
void pci_bar_write(struct pci_bar *bar, uint32_t value, uint32_t lanes);

/** As after power-up; the slots keep what is plugged in. */
void pci_bus_reset(struct pci_bus *bus);

/** IN of `bytes` (1, 2, 4) at port 0xcf8..0xcff. */
uint32_t pci_port_read(const struct pci_bus *bus, uint16_t port, unsigned bytes);

/** OUT of `bytes` (1, 2, 4) at port 0xcf8..0xcff. Only a 4-byte write at 0xcf8 sets the address. */
void pci_port_write(struct pci_bus *bus, uint16_t port, unsigned bytes, uint32_t value);

/** ECAM access at `offset` in the 1 MiB of bus 0; absent functions read as all ones. */
uint64_t pci_ecam_read(const struct pci_bus *bus, uint64_t offset, unsigned bytes);
void pci_ecam_write(struct pci_bus *bus, uint64_t offset, unsigned bytes, uint64_t value);
