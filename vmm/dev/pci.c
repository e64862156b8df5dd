/* SPDX-License-Identifier: MIT */
/* The virtual PCI bus: see pci.h. */
#include "dev/pci.h"

#define ADDRESS_ENABLE   0x80000000u
#define ADDRESS_WRITABLE 0x80fffffcu /* enable, bus, device, function, register */

/* The generic PCI Express host bridge of QEMU's vendor: drivers know it and want nothing of it. */
static const uint32_t host_bridge[] = {
    0x00081b36, /* device and vendor */
    0x00000000, /* status, command */
    0x06000000, /* class: host bridge; revision 0 */
    0x00800000, /* header type 0; its device has more functions */
};

uint32_t pci_bar_read(const struct pci_bar *bar) {
    uint32_t type = bar->value & (bar->size - 1);
    return bar->sizing ? (0 - bar->size) | type : bar->value;
}

void pci_bar_write(struct pci_bar *bar, uint32_t value, uint32_t lanes) {
    bar->sizing = bar->size != 0 && (value & lanes) >= (uint32_t)~PCI_BAR_TYPE;
}

void pci_bus_reset(struct pci_bus *bus) { bus->address = 0; }

/** `function` is bus << 8 | device << 3 | function. @return NULL if nothing is plugged in there */
static const struct pci_slot *slot_of(const struct pci_bus *bus, uint64_t function) {
    return function < MACHINE_SLOTS && bus->slots[function].ops != NULL ? &bus->slots[function] : NULL;
}

static uint32_t read_register(const struct pci_bus *bus, uint64_t function, uint32_t reg) {
    const struct pci_slot *slot = slot_of(bus, function);
    if (function == 0) { return reg < sizeof host_bridge ? host_bridge[reg / 4] : 0; }
    if (slot == NULL) { return UINT32_MAX; }
    /* any function may have neighbours in its device, so each first one says that it has */
    uint32_t multi = reg == PCI_HEADER && function % 8 == 0 ? (uint32_t)PCI_HEADER_MULTI : 0;
    return slot->ops->read(slot->device, reg) | multi;
}

/** Nobody has to support an access across registers: it reads as ones and writes nothing. */
static uint64_t config_read(const struct pci_bus *bus, uint64_t function, uint32_t at, unsigned bytes) {
    if (at % 4 + bytes > 4) { return bytes_mask(bytes); }
    return read_register(bus, function, at & 0xffc) >> 8 * (at % 4) & bytes_mask(bytes);
}

static void config_write(const struct pci_bus *bus, uint64_t function, uint32_t at, unsigned bytes, uint64_t value) {
    const struct pci_slot *slot = slot_of(bus, function);
    uint32_t shift = 8 * (at % 4), lanes = (uint32_t)(bytes_mask(bytes) << shift);
    if (slot == NULL || at % 4 + bytes > 4) { return; }
    slot->ops->write(slot->device, at & 0xffc, (uint32_t)(value << shift), lanes);
}

/** Does an access at `port` reach configuration space? */
static bool reaches_data(const struct pci_bus *bus, uint16_t port) {
    return port >= MACHINE_PORT_PCI_DATA && (bus->address & ADDRESS_ENABLE) != 0;
}

uint32_t pci_port_read(const struct pci_bus *bus, uint16_t port, unsigned bytes) {
    if (port == MACHINE_PORT_PCI_ADDRESS && bytes == 4) { return bus->address; }
    if (!reaches_data(bus, port)) { return (uint32_t)bytes_mask(bytes); }
    return (uint32_t)config_read(bus, bus->address >> 8 & 0xffff, (bus->address & 0xfc) + port % 4, bytes);
}

void pci_port_write(struct pci_bus *bus, uint16_t port, unsigned bytes, uint32_t value) {
    if (port == MACHINE_PORT_PCI_ADDRESS && bytes == 4) {
        bus->address = value & ADDRESS_WRITABLE;
    } else if (reaches_data(bus, port)) {
        config_write(bus, bus->address >> 8 & 0xffff, (bus->address & 0xfc) + port % 4, bytes, value);
    }
}

uint64_t pci_ecam_read(const struct pci_bus *bus, uint64_t offset, unsigned bytes) {
    return config_read(bus, offset >> 12, offset & 0xfff, bytes);
}

void pci_ecam_write(struct pci_bus *bus, uint64_t offset, unsigned bytes, uint64_t value) {
    config_write(bus, offset >> 12, offset & 0xfff, bytes, value);
}
