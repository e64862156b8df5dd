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

static void scan_buses(const struct acpi_ecam *range, bool by_ecam) {
    for (uint32_t number = range->first_bus; number <= range->last_bus; number++) {
        uint64_t ecam = by_ecam ? range->base + number * ECAM_BUS_BYTES : 0;
        scan_bus(&(struct bus){ecam, range->segment, (uint8_t)number});
    }
}

void pci_host_scan(const struct acpi_info *acpi) {
    static const struct acpi_ecam mechanism_1 = {.last_bus = 255};
    if (acpi->ecam_count == 0) { scan_buses(&mechanism_1, false); }
    for (uint32_t i = 0; i < acpi->ecam_count; i++) {
        const struct acpi_ecam *range = &acpi->ecam[i];
        if (in_reach(range) || range->segment == 0) {
            scan_buses(range, in_reach(range));
        } else {
            log_line("PCI segment %u is out of reach: bus mastering there is left as the firmware set it",
                     range->segment);
        }
    }
    if (dropped > 0) {
        log_line("%u PCI functions are not listed: the VMM's table holds %u; bus mastering is off on all", dropped,
                 PCI_HOST_MAX);
    }
}

uint32_t pci_host_count(void) { return count; }

void pci_host_info(struct mullion_pci_info *info) { *info = functions[info->index]; }
