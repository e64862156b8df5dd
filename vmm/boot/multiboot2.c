/* SPDX-License-Identifier: MIT */
/* Multiboot2 specification, section 3.6: the boot information's tags. */
#include "boot/multiboot2.h"

#include "core/lib.h"

enum { TAG_END, TAG_TEXT, TAG_MODULE = 3, TAG_MEMORY_MAP = 6, TAG_FRAMEBUFFER = 8, TAG_ACPI_OLD = 14, TAG_ACPI_NEW };

/* Fields by offset: of every tag, of each kind of tag, of a memory map's entry. */
enum { TAG_BYTES = 4, TAG_HEADER_BYTES = 8 };
enum { MODULE_START = 8, MODULE_END = 12, MODULE_TEXT = 16 };
enum { MAP_ENTRY_BYTES = 8, MAP_ENTRIES = 16 };
enum { ENTRY_START = 0, ENTRY_BYTES = 8, ENTRY_TYPE = 16, ENTRY_MIN_BYTES = 20 };
enum { SCREEN_ADDRESS = 8, SCREEN_PITCH = 16, SCREEN_WIDTH = 20, SCREEN_HEIGHT = 24 };
enum { SCREEN_BITS = 28, SCREEN_TYPE = 29 };

/* Values of ENTRY_TYPE and SCREEN_TYPE. */
enum { ENTRY_TYPE_RAM = 1, SCREEN_TYPE_RGB = 1, SCREEN_TYPE_TEXT = 2 };

static void read_module(const uint8_t *tag, struct boot_info *info) {
    if (info->module_count == BOOT_MAX_MODULES) {
        info->modules_dropped++;
        return;
    }
    struct boot_module *module = &info->modules[info->module_count++];
    module->start = read32(tag + MODULE_START);
    module->bytes = read32(tag + MODULE_END) - module->start;
    text_copy(module->text, (const char *)tag + MODULE_TEXT, sizeof module->text);
}

static void add_ram(struct boot_info *info, uint64_t start, uint64_t end) {
    if (start >= end) { return; }
    if (info->ram_count == BOOT_MAX_RAM) {
        info->ram_dropped++;
        return;
    }
    info->ram[info->ram_count++] = (struct boot_ram){start, end - start};
}

/** What lies above the hole becomes an entry of its own. */
static void subtract_ram(struct boot_info *info, uint64_t start, uint64_t end) {
    for (uint32_t i = 0; i < info->ram_count; i++) {
        struct boot_ram *ram = &info->ram[i];
        uint64_t ram_end = ram->start + ram->bytes;
        if (start >= ram_end || end <= ram->start) { continue; }
        ram->bytes = start > ram->start ? start - ram->start : 0;
        add_ram(info, end, ram_end);
    }
}

/** Entries can overlap in bad firmware maps: so first all usable RAM is added, then all else taken out of it. */
static void read_memory_map(const uint8_t *tag, struct boot_info *info, bool usable) {
    uint32_t entry_bytes = read32(tag + MAP_ENTRY_BYTES);
    const uint8_t *at = tag + MAP_ENTRIES, *end = tag + read32(tag + TAG_BYTES);
    for (; entry_bytes >= ENTRY_MIN_BYTES && at + entry_bytes <= end; at += entry_bytes) {
        uint64_t start = read64(at + ENTRY_START), bytes = read64(at + ENTRY_BYTES);
        bytes = bytes < UINT64_MAX - start ? bytes : UINT64_MAX - start;
        if ((read32(at + ENTRY_TYPE) == ENTRY_TYPE_RAM) == usable) {
            (usable ? add_ram : subtract_ram)(info, start, start + bytes);
        }
    }
}

static void read_framebuffer(const uint8_t *tag, struct boot_info *info) {
    uint8_t bits = tag[SCREEN_BITS];
    bool text = tag[SCREEN_TYPE] == SCREEN_TYPE_TEXT;
    bool drawable = tag[SCREEN_TYPE] == SCREEN_TYPE_RGB && (bits == 32 || bits == 24);
    if (!text && !drawable) { return; }
    info->screen = (struct screen_mode){.kind = text ? SCREEN_VGA_TEXT : SCREEN_FRAMEBUFFER,
                                        .address = read64(tag + SCREEN_ADDRESS),
                                        .pitch_bytes = read32(tag + SCREEN_PITCH),
                                        .width = read32(tag + SCREEN_WIDTH),
                                        .height = read32(tag + SCREEN_HEIGHT),
                                        .bytes_per_pixel = bits / 8};
}

static void read_rsdp(const uint8_t *tag, struct boot_info *info) {
    uint32_t bytes = read32(tag + TAG_BYTES) - TAG_HEADER_BYTES;
    if (bytes <= sizeof info->rsdp && bytes > info->rsdp_bytes) {
        memcpy(info->rsdp, tag + TAG_HEADER_BYTES, bytes);
        info->rsdp_bytes = bytes;
    }
}

void multiboot2_read(uint64_t address, struct boot_info *info) {
    const uint8_t *tag = (const void *)(address + TAG_HEADER_BYTES); // NOLINT(performance-no-int-to-ptr)
    for (; read32(tag) != TAG_END; tag += align_up(read32(tag + TAG_BYTES), 8)) {
        switch (read32(tag)) {
        case TAG_TEXT:
            info->byte_link = text_equal((const char *)tag + TAG_HEADER_BYTES, MULLION_OPTION_BYTE_LINK);
            break;
        case TAG_MODULE: read_module(tag, info); break;
        case TAG_MEMORY_MAP:
            read_memory_map(tag, info, true);
            read_memory_map(tag, info, false);
            break;
        case TAG_FRAMEBUFFER: read_framebuffer(tag, info); break;
        case TAG_ACPI_OLD:
        case TAG_ACPI_NEW: read_rsdp(tag, info); break;
        default: break;
        }
    }
}
