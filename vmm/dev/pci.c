/* SPDX-License-Identifier: MIT */
/* The virtual PCI bus: see pci.h. */
#include "dev/pci.h"

#include "mullion/machine.h"

#define ADDRESS_ENABLE   0x80000000u
#define ADDRESS_WRITABLE 0x80fffffcu /* enable, bus, device, function, register */

/* The generic PCI Express host bridge of QEMU's vendor: drivers know it and want nothing of it. */
static const uint32_t host_bridge[] = {
    0x00081b36, /* device and vendor */
    0x00000000, /* status, command */
    0x06000000, /* class: host bridge; revision 0 */
    0x00000000, /* header type 0, one function */
};

void pci_bus_reset(struct pci_bus *bus) { bus->address = 0; }

/* One byte of configuration space. `function` is bus << 8 | device << 3 | function. */
static uint8_t config_byte(uint64_t function, uint32_t offset) {
    if (function != 0) return 0xff;
    if (offset >= sizeof(host_bridge)) return 0;
    return (uint8_t)(host_bridge[offset / 4] >> (8 * (offset % 4)));
}

static uint64_t config_read(uint64_t function, uint32_t offset, unsigned bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) value |= (uint64_t)config_byte(function, offset + i) << (8 * i);
    return value;
}

uint32_t pci_port_read(const struct pci_bus *bus, uint16_t port, unsigned bytes) {
    if (port == MACHINE_PORT_PCI_ADDRESS && bytes == 4) return bus->address;
    unsigned lane = port & 3u;
    if (port < MACHINE_PORT_PCI_DATA || lane + bytes > 4 || !(bus->address & ADDRESS_ENABLE))
        return (uint32_t)bytes_mask(bytes);
    uint32_t function = (bus->address >> 8) & 0xffff;
    return (uint32_t)config_read(function, (bus->address & 0xfc) + lane, bytes);
}

void pci_port_write(struct pci_bus *bus, uint16_t port, unsigned bytes, uint32_t value) {
    if (port == MACHINE_PORT_PCI_ADDRESS && bytes == 4) bus->address = value & ADDRESS_WRITABLE;
}

uint64_t pci_ecam_read(const struct pci_bus *bus, uint64_t offset, unsigned bytes) {
    return config_read(offset >> 12, offset & 0xfff, bytes);
}
