/* SPDX-License-Identifier: MIT */
#include "x86/pci_host.h"

#include "core/platform.h"
#include "core/vmm.h"

#define CONFIG_ADDRESS    0xcf8
#define CONFIG_DATA       0xcfc
#define CONFIG_ENABLE     BIT(31)
#define HEADER_TYPE_MASK  0x7fu
#define HEADER_MULTI      0x80u
#define FUNCTIONS_PER_BUS 256u
#define ECAM_BUS_BYTES    0x100000ull
#define BOOT_MAP_END      0x100000000ull

#define COMMAND_DECODE   ((uint32_t)(PCI_COMMAND_IO | PCI_COMMAND_MEMORY))
#define BAR_WIDTH_MASK   7u
#define BAR_64_BITS      4u
#define FIRST_CAPABILITY 0x40u
#define LAST_CAPABILITY  0xfcu
#define CHIPSET_START    0xfec00000ull /* IO-APICs, local APICs, firmware */
#define CHIPSET_END      0x100000000ull

static struct pci_host_function functions[PCI_HOST_MAX];
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
    functions[count].info = (struct mullion_pci_info){.index = count,
                                                      .segment = bus->segment,
                                                      .bdf = (uint16_t)(bus->number << 8 | function),
                                                      .vendor = (uint16_t)id,
                                                      .device = (uint16_t)(id >> 16),
                                                      .class_code = config_read(bus, function, PCI_CLASS) >> 8};
    count++;
}

/** Bridges keep bus mastering: they forward for what lies below, which is off. The upper half of the register
 * is status, cleared by writing ones, so it is written as zero. */
static void master_off(const struct bus *bus, uint32_t function, uint32_t header) {
    uint32_t command = config_read(bus, function, PCI_COMMAND);
    if ((header & HEADER_TYPE_MASK) == 0 && (command & PCI_COMMAND_MASTER) != 0) {
        config_write(bus, function, PCI_COMMAND, command & 0xffff & ~(uint32_t)PCI_COMMAND_MASTER);
    }
}

static void scan_bus(const struct bus *bus) {
    for (uint32_t function = 0; function < FUNCTIONS_PER_BUS; function++) {
        uint32_t id = config_read(bus, function, PCI_ID);
        if ((id & 0xffff) == 0xffff) {
            function += function % 8 == 0 ? 7 : 0; /* no function 0: no device */
            continue;
        }
        uint32_t header = config_read(bus, function, PCI_HEADER) >> 16 & 0xff;
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

void pci_host_info(struct mullion_pci_info *info) { *info = functions[info->index].info; }

struct pci_host_function *pci_host_function(uint32_t index) {
    return &functions[index];
}

/* ---- one function, after boot ---- */

uint32_t pci_host_read(uint16_t bdf, uint32_t reg) {
    return config_read(&(struct bus){.number = (uint8_t)(bdf >> 8)}, bdf & 0xff, reg);
}

/** Whole bytes alone: the neighbours of what is written may be cleared by writing ones, or start something. */
void pci_host_write(uint16_t bdf, uint32_t reg, uint32_t value, uint32_t lanes) {
    unsigned first = lanes == 0 ? 0 : (unsigned)__builtin_ctz(lanes);
    uint16_t port = (uint16_t)(CONFIG_DATA + first / 8);
    outl(CONFIG_ADDRESS, (uint32_t)CONFIG_ENABLE | (uint32_t)bdf << 8 | reg);
    switch (lanes >> first) {
    case 0xff: outb(port, (uint8_t)(value >> first)); break;
    case 0xffff: outw(port, (uint16_t)(value >> first)); break;
    case UINT32_MAX: outl(port, value); break;
    default: break; /* part of an access across registers: not PCI's */
    }
}

uint32_t pci_host_find(const struct pci_host_function *f, enum pci_capability id) {
    for (uint32_t i = 0; i < f->capability_count; i++) {
        if (f->capabilities[i].id == id) { return f->capabilities[i].at; }
    }
    return 0;
}

/* ---- who can be given away ---- */

/** A chain may lead in a circle. */
static void list_capabilities(struct pci_host_function *f) {
    bool any = (pci_host_read(f->info.bdf, PCI_COMMAND) & PCI_STATUS_CAPS) != 0;
    uint32_t at = any ? pci_host_read(f->info.bdf, PCI_CAPABILITIES) & LAST_CAPABILITY : 0;
    while (at >= FIRST_CAPABILITY && f->capability_count < PCI_CAPABILITIES_MAX) {
        uint32_t header = pci_host_read(f->info.bdf, at);
        f->capabilities[f->capability_count++] = (struct pci_host_capability){(uint8_t)header, (uint8_t)at};
        at = header >> 8 & LAST_CAPABILITY;
    }
}

/** Decoding is off meanwhile: a BAR that is being sized claims addresses that are not its own. The upper half of a
 * size is not asked for: 4 GiB are too much for any partition's window. */
static void size_bars(struct pci_host_function *f) {
    uint16_t bdf = f->info.bdf;
    uint32_t command = pci_host_read(bdf, PCI_COMMAND);
    bool upper = false;
    pci_host_write(bdf, PCI_COMMAND, command & ~COMMAND_DECODE, 0xffff);
    for (uint32_t i = 0; i < PCI_BARS; i++) {
        struct pci_host_bar *bar = &f->bars[i];
        bar->value = pci_host_read(bdf, PCI_BAR + 4 * i);
        pci_host_write(bdf, PCI_BAR + 4 * i, UINT32_MAX, UINT32_MAX);
        uint32_t ones = pci_host_read(bdf, PCI_BAR + 4 * i);
        pci_host_write(bdf, PCI_BAR + 4 * i, bar->value, UINT32_MAX);
        bool memory = !upper && ones != 0 && (ones & PCI_BAR_IO) == 0;
        if (upper) { bar[-1].address |= (uint64_t)bar->value << 32; }
        if (memory) {
            bar->address = bar->value & ~PCI_BAR_TYPE;
            bar->bytes = BIT(32) - (ones & ~PCI_BAR_TYPE);
        }
        upper = memory && (ones & BAR_WIDTH_MASK) == BAR_64_BITS;
    }
    pci_host_write(bdf, PCI_COMMAND, command, 0xffff);
}

static bool overlaps_ram(const struct pci_host_bar *bar) {
    for (uint32_t i = 0; i < platform.boot.ram_count; i++) {
        const struct boot_ram *ram = &platform.boot.ram[i];
        if (bar->address < ram->start + ram->bytes && ram->start < bar->address + bar->bytes) { return true; }
    }
    return false;
}

/** Firmware that ran out of room leaves a BAR at 0, or on top of something. */
static bool has_place(const struct pci_host_bar *bar) {
    uint64_t end = bar->address + bar->bytes;
    bool on_chipset = bar->address < CHIPSET_END && end > CHIPSET_START;
    return bar->bytes >= PAGE_BYTES && bar->address % PAGE_BYTES == 0 && bar->address != 0 && end > bar->address &&
           end <= BIT(platform.phys_bits) && !on_chipset && !overlaps_ram(bar);
}

static enum mullion_pci_use examine(struct pci_host_function *f) {
    if (f->info.segment != 0) { return MULLION_PCI_SEGMENT; }
    if ((pci_host_read(f->info.bdf, PCI_HEADER) >> 16 & HEADER_TYPE_MASK) != 0) { return MULLION_PCI_BRIDGE; }
    list_capabilities(f);
    if (pci_host_find(f, PCI_CAP_MSIX) == 0) { return MULLION_PCI_NO_MSIX; }
    size_bars(f);
    for (uint32_t i = 0; i < PCI_BARS; i++) {
        if (f->bars[i].bytes != 0 && !has_place(&f->bars[i])) { return MULLION_PCI_SMALL_BAR; }
    }
    return MULLION_PCI_USABLE;
}

void pci_host_examine(void) {
    for (uint32_t i = 0; i < count; i++) { functions[i].info.use = examine(&functions[i]); }
}
