/* SPDX-License-Identifier: MIT */
#include "core/core.h"

#define CONFIG_ENABLE  BIT(31)
#define FUNCTION_BYTES 4096u /* of ECAM */
#define BOOT_MAP_END   0x100000000ull

#define COMMAND_DECODE ((uint32_t)(PCI_COMMAND_IO | PCI_COMMAND_MEMORY))
#define CHIPSET_START  0xfec00000ull /* IO-APICs, local APICs, firmware */
#define CHIPSET_BYTES  0x1400000ull

enum { CONFIG_ADDRESS = 0xcf8, CONFIG_DATA = 0xcfc, FIRST_CAPABILITY = 0x40, LAST_CAPABILITY = 0xfc };
enum { HEADER_TYPE_MASK = 0x7f, HEADER_MULTI = 0x80, BAR_WIDTH_MASK = 7, BAR_64_BITS = 4 };

static struct pci_host_function functions[PCI_HOST_MAX];
static uint32_t count;

uint32_t pci_host_count(void) { return count; }

void pci_host_info(struct mullion_pci_info *info) { *info = functions[info->index].info; }

struct pci_host_function *pci_host_function(uint32_t index) {
    return &functions[index];
}

/* ---- configuration space: segment 0 by mechanism 1, which reaches all of it, others by ECAM while they are scanned,
 * AMD family 10h through EAX only (BKDG, section 2.11) ---- */

uint32_t pci_host_read(uint16_t bdf, uint32_t reg) {
    outl(CONFIG_ADDRESS, (uint32_t)CONFIG_ENABLE | (uint32_t)bdf << 8 | reg);
    return inl(CONFIG_DATA);
}

/** Whole bytes alone: the neighbours of what is written may be cleared by writing ones, or start something. */
void pci_host_write(uint16_t bdf, uint32_t reg, uint32_t value, uint32_t lanes) {
    unsigned first = lanes == 0 ? 0 : (unsigned)__builtin_ctz(lanes);
    uint16_t port = (uint16_t)(CONFIG_DATA + first / 8);
    outl(CONFIG_ADDRESS, (uint32_t)CONFIG_ENABLE | (uint32_t)bdf << 8 | reg);
    switch (lanes >> first) {
    case 0xff: outb(port, (uint8_t)(value >> first)); break;
    case 0xffff: outw(port, (uint16_t)(value >> first)); break;
    default: outl(port, value); break;
    }
}

static uint32_t scan_read(uint64_t ecam, uint16_t bdf, uint32_t reg) {
    if (ecam == 0) { return pci_host_read(bdf, reg); }
    uint32_t value;
    __asm__ volatile("movl (%1), %0" : "=a"(value) : "r"(ecam + bdf * FUNCTION_BYTES + reg) : "memory");
    return value;
}

/** Bridges keep bus mastering: they forward for what lies below, which is off. The upper half of the register
 * is status, cleared by writing ones, so it is written as zero. */
static void master_off(uint64_t ecam, uint16_t bdf) {
    uint32_t command = scan_read(ecam, bdf, PCI_COMMAND) & 0xffff & ~(uint32_t)PCI_COMMAND_MASTER;
    if (ecam == 0) {
        pci_host_write(bdf, PCI_COMMAND, command, 0xffff);
    } else {
        uint64_t at = ecam + bdf * FUNCTION_BYTES + PCI_COMMAND;
        __asm__ volatile("movl %0, (%1)" : : "a"(command), "r"(at) : "memory");
    }
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

uint32_t pci_host_find(const struct pci_host_function *f, enum pci_capability id) {
    for (uint32_t i = 0; i < f->capability_count; i++) {
        if (f->capabilities[i].id == id) { return f->capabilities[i].at; }
    }
    return 0;
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
        if (upper) { bar[-1].address |= (uint64_t)bar->value << 32; }
        bool memory = !upper && ones != 0 && (ones & PCI_BAR_IO) == 0;
        bar->address = bar->value & ~PCI_BAR_TYPE;
        bar->bytes = memory ? BIT(32) - (ones & ~PCI_BAR_TYPE) : 0;
        upper = memory && (ones & BAR_WIDTH_MASK) == BAR_64_BITS;
    }
    pci_host_write(bdf, PCI_COMMAND, command, 0xffff);
}

static bool apart(const struct pci_host_bar *bar, uint64_t start, uint64_t bytes) {
    return bar->address + bar->bytes <= start || start + bytes <= bar->address;
}

/** From bus 0 on. */
static uint64_t ecam_bytes(const struct acpi_ecam *range) { return (range->last_bus + 1ull) * 256 * FUNCTION_BYTES; }

/** Firmware that ran out of room leaves a BAR at 0, or on top of something: RAM, the chipset, ECAM. */
static bool has_place(const struct pci_host_bar *bar) {
    bool free = bar->bytes >= PAGE_BYTES && bar->address % PAGE_BYTES == 0 && bar->address != 0 &&
                bar->address < BIT(platform.phys_bits) && apart(bar, CHIPSET_START, CHIPSET_BYTES);
    for (uint32_t i = 0; i < platform.boot.ram_count; i++) {
        free = free && apart(bar, platform.boot.ram[i].start, platform.boot.ram[i].bytes);
    }
    for (uint32_t i = 0; i < platform.acpi.ecam_count; i++) {
        const struct acpi_ecam *range = &platform.acpi.ecam[i];
        free = free && apart(bar, range->base, ecam_bytes(range));
    }
    return free;
}

static enum mullion_pci_use examine(struct pci_host_function *f, bool bridge) {
    if (f->info.segment != 0) { return MULLION_PCI_SEGMENT; }
    if (bridge) { return MULLION_PCI_BRIDGE; }
    list_capabilities(f);
    if (pci_host_find(f, PCI_CAP_MSIX) == 0) { return MULLION_PCI_NO_MSIX; }
    uint32_t express = pci_host_find(f, PCI_CAP_EXPRESS);
    if (express != 0) { f->device_control = (uint16_t)pci_host_read(f->info.bdf, express + PCI_EXPRESS_CONTROL); }
    size_bars(f);
    for (uint32_t i = 0; i < PCI_BARS; i++) {
        if (f->bars[i].bytes != 0 && !has_place(&f->bars[i])) { return MULLION_PCI_SMALL_BAR; }
    }
    return MULLION_PCI_USABLE;
}

/* ---- all of them ---- */

static void add(const struct acpi_ecam *range, uint64_t ecam, uint16_t bdf, bool bridge) {
    if (!bridge) { master_off(ecam, bdf); }
    if (count == PCI_HOST_MAX) {
        log_line("PCI function %x is not listed: the table holds %u; its bus mastering is off", bdf, PCI_HOST_MAX);
        return;
    }
    uint32_t id = scan_read(ecam, bdf, PCI_ID), class = scan_read(ecam, bdf, PCI_CLASS) >> 8;
    struct pci_host_function *f = &functions[count];
    f->info = (struct mullion_pci_info){.index = count++, .segment = range->segment, .bdf = bdf, .class_code = class};
    f->info.vendor = (uint16_t)id;
    f->info.device = (uint16_t)(id >> 16);
    f->info.use = examine(f, bridge);
}

static void scan_segment(const struct acpi_ecam *range, uint64_t ecam) {
    for (uint32_t bdf = range->first_bus * 256u; bdf < (range->last_bus + 1u) * 256u; bdf++) {
        bool there = (scan_read(ecam, (uint16_t)bdf, PCI_ID) & 0xffff) != 0xffff;
        uint32_t header = there ? scan_read(ecam, (uint16_t)bdf, PCI_HEADER) >> 16 & 0xff : 0;
        if (there) { add(range, ecam, (uint16_t)bdf, (header & HEADER_TYPE_MASK) != 0); }
        if (bdf % 8 == 0 && (header & HEADER_MULTI) == 0) { bdf += 7; }
    }
}

void pci_host_scan(void) {
    scan_segment(&(struct acpi_ecam){.last_bus = 255}, 0);
    for (uint32_t i = 0; i < platform.acpi.ecam_count; i++) {
        const struct acpi_ecam *range = &platform.acpi.ecam[i];
        bool in_reach = range->base != 0 && range->base + ecam_bytes(range) <= BOOT_MAP_END;
        if (range->segment != 0 && in_reach) {
            scan_segment(range, range->base);
        } else if (range->segment != 0) {
            log_line("PCI segment %u is out of reach: its bus mastering stays as the firmware set it", range->segment);
        }
    }
}
