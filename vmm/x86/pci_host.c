/* SPDX-License-Identifier: MIT */
#include "x86/pci_host.h"

#include "core/vmm.h"

#define CONFIG_ADDRESS    0xcf8
#define CONFIG_DATA       0xcfc
#define CONFIG_ENABLE     BIT(31)
#define COMMAND_MASTER    BIT(2)
#define HEADER_TYPE_MASK  0x7fu
#define HEADER_MULTI      0x80u
#define FUNCTIONS_PER_BUS 256u
#define ECAM_BUS_BYTES    0x100000ull
#define BOOT_MAP_END      0x100000000ull

enum { REG_ID = 0x00, REG_COMMAND = 0x04, REG_CLASS = 0x08, REG_HEADER = 0x0c };

static struct mullion_pci_info functions[PCI_HOST_MAX];
static uint32_t count, dropped;

/** One bus: ECAM address of the bus, or 0 for mechanism 1. */
struct bus {
    uint64_t ecam;
    uint16_t segment;
    uint8_t number;
};

/* AMD family 10h reaches ECAM through EAX only (BKDG, section 2.11). */
static uint32_t config_read(const struct bus *bus, uint32_t function, uint32_t reg) {
    if (bus->ecam != 0) {
        uint32_t value;
        __asm__ volatile("movl (%1), %0" : "=a"(value) : "r"(bus->ecam + function * 4096 + reg) : "memory");
        return value;
    }
    outl(CONFIG_ADDRESS, (uint32_t)CONFIG_ENABLE | (uint32_t)bus->number << 16 | function << 8 | reg);
    return inl(CONFIG_DATA);
}

static void config_write(const struct bus *bus, uint32_t function, uint32_t reg, uint32_t value) {
    if (bus->ecam != 0) {
        __asm__ volatile("movl %0, (%1)" : : "a"(value), "r"(bus->ecam + function * 4096 + reg) : "memory");
        return;
    }
    outl(CONFIG_ADDRESS, (uint32_t)CONFIG_ENABLE | (uint32_t)bus->number << 16 | function << 8 | reg);
    outl(CONFIG_DATA, value);
}

static void add(const struct bus *bus, uint32_t function, uint32_t id) {
    if (count == PCI_HOST_MAX) {
        dropped++;
        return;
    }
    functions[count] = (struct mullion_pci_info){.index = count,
                                                 .segment = bus->segment,
                                                 .bdf = (uint16_t)(bus->number << 8 | function),
                                                 .vendor = (uint16_t)id,
                                                 .device = (uint16_t)(id >> 16),
                                                 .class_code = config_read(bus, function, REG_CLASS) >> 8};
    count++;
}

/** Bridges keep bus mastering: they forward for what lies below, which is off. The upper half of the register
 * is status, cleared by writing ones, so it is written as zero. */
static void master_off(const struct bus *bus, uint32_t function, uint32_t header) {
    uint32_t command = config_read(bus, function, REG_COMMAND);
    if ((header & HEADER_TYPE_MASK) == 0 && (command & COMMAND_MASTER) != 0) {
        config_write(bus, function, REG_COMMAND, command & 0xffff & ~(uint32_t)COMMAND_MASTER);
    }
}

static void scan_bus(const struct bus *bus) {
    for (uint32_t function = 0; function < FUNCTIONS_PER_BUS; function++) {
        uint32_t id = config_read(bus, function, REG_ID);
        if ((id & 0xffff) == 0xffff) {
            function += function % 8 == 0 ? 7 : 0; /* no function 0: no device */
            continue;
        }
        uint32_t header = config_read(bus, function, REG_HEADER) >> 16 & 0xff;
        add(bus, function, id);
        master_off(bus, function, header);
        if (function % 8 == 0 && (header & HEADER_MULTI) == 0) { function += 7; }
    }
}

/** Can the boot map reach all of this ECAM range? */
static bool in_reach(const struct acpi_ecam *ecam) {
    return ecam->base != 0 && ecam->first_bus <= ecam->last_bus &&
           ecam->base + (ecam->last_bus + 1ull) * ECAM_BUS_BYTES <= BOOT_MAP_END;
}

void pci_host_scan(const struct acpi_info *acpi) {
    bool ecam_used = false;
    for (uint32_t i = 0; i < acpi->ecam_count; i++) {
        const struct acpi_ecam *ecam = &acpi->ecam[i];
        for (uint32_t number = ecam->first_bus; in_reach(ecam) && number <= ecam->last_bus; number++) {
            scan_bus(&(struct bus){ecam->base + number * ECAM_BUS_BYTES, ecam->segment, (uint8_t)number});
            ecam_used |= ecam->segment == 0;
        }
    }
    for (uint32_t number = 0; !ecam_used && number < 256; number++) { scan_bus(&(struct bus){0, 0, (uint8_t)number}); }
    if (dropped > 0) {
        log_line("%u PCI functions are not listed: the VMM's table holds %u; bus mastering is off on all", dropped,
                 PCI_HOST_MAX);
    }
}

uint32_t pci_host_count(void) { return count; }

void pci_host_info(struct mullion_pci_info *info) { *info = functions[info->index]; }
