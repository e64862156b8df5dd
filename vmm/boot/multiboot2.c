/* SPDX-License-Identifier: MIT */
/* Multiboot2 specification, section 3.6: the boot information's tags. */
#include "boot/multiboot2.h"

#include "core/lib.h"

enum tag_type {
    TAG_END = 0,
    TAG_MODULE = 3,
    TAG_MEMORY_MAP = 6,
    TAG_FRAMEBUFFER = 8,
    TAG_ACPI_OLD = 14,
    TAG_ACPI_NEW = 15,
};

struct tag {
    uint32_t type;
    uint32_t size;
};

struct tag_module {
    struct tag tag;
    uint32_t start;
    uint32_t end;
    char text[];
};

struct tag_memory_map {
    struct tag tag;
    uint32_t entry_bytes;
    uint32_t entry_version;
};

struct memory_map_entry {
    uint64_t start;
    uint64_t bytes;
    uint32_t type; /* 1 = usable RAM */
    uint32_t zero;
};

struct tag_framebuffer {
    struct tag tag;
    uint64_t address;
    uint32_t pitch;
    uint32_t width;
    uint32_t height;
    uint8_t bits;
    uint8_t type; /* 1 = direct RGB, 2 = EGA text */
    uint16_t reserved;
};

_Static_assert(offsetof(struct tag, type) == 0 && offsetof(struct tag, size) == 4 && sizeof(struct tag) == 8, "");
_Static_assert(offsetof(struct tag_module, tag) == 0 && offsetof(struct tag_module, start) == 8, "");
_Static_assert(offsetof(struct tag_module, end) == 12 && offsetof(struct tag_module, text) == 16, "");
_Static_assert(offsetof(struct tag_memory_map, tag) == 0 && offsetof(struct tag_memory_map, entry_bytes) == 8, "");
_Static_assert(offsetof(struct tag_memory_map, entry_version) == 12 && sizeof(struct tag_memory_map) == 16, "");
_Static_assert(offsetof(struct memory_map_entry, start) == 0 && offsetof(struct memory_map_entry, bytes) == 8, "");
_Static_assert(offsetof(struct memory_map_entry, type) == 16 && offsetof(struct memory_map_entry, zero) == 20, "");
_Static_assert(sizeof(struct memory_map_entry) == 24, "");
_Static_assert(offsetof(struct tag_framebuffer, tag) == 0 && offsetof(struct tag_framebuffer, address) == 8, "");
_Static_assert(offsetof(struct tag_framebuffer, pitch) == 16 && offsetof(struct tag_framebuffer, width) == 20, "");
_Static_assert(offsetof(struct tag_framebuffer, height) == 24 && offsetof(struct tag_framebuffer, bits) == 28, "");
_Static_assert(offsetof(struct tag_framebuffer, type) == 29 && offsetof(struct tag_framebuffer, reserved) == 30, "");

static void read_module(const struct tag_module *tag, struct boot_info *info) {
    if (info->module_count == BOOT_MAX_MODULES) {
        info->modules_dropped++;
        return;
    }
    struct boot_module *module = &info->modules[info->module_count++];
    module->start = tag->start;
    module->bytes = tag->end - tag->start;
    text_copy(module->text, tag->text, sizeof module->text);
}

static void read_memory_map(const struct tag_memory_map *tag, struct boot_info *info) {
    uint64_t first = (uint64_t)(uintptr_t)tag + sizeof *tag;
    for (uint64_t at = first; at + tag->entry_bytes <= (uint64_t)(uintptr_t)tag + tag->tag.size;
         at += tag->entry_bytes) {
        const struct memory_map_entry *entry = (const void *)at; // NOLINT(performance-no-int-to-ptr)
        if (entry->type == 1 && info->ram_count < BOOT_MAX_RAM) {
            info->ram[info->ram_count++] = (struct boot_ram){entry->start, entry->bytes};
        }
    }
}

static void read_framebuffer(const struct tag_framebuffer *tag, struct boot_info *info) {
    struct screen_mode *screen = &info->screen;
    bool drawable = tag->type == 1 && (tag->bits == 32 || tag->bits == 24);
    if (tag->type != 2 && !drawable) { return; }
    screen->kind = tag->type == 2 ? SCREEN_VGA_TEXT : SCREEN_FRAMEBUFFER;
    screen->address = tag->address;
    screen->pitch_bytes = tag->pitch;
    screen->width = tag->width;
    screen->height = tag->height;
    screen->bytes_per_pixel = tag->bits / 8;
}

static void read_rsdp(const struct tag *tag, struct boot_info *info) {
    uint32_t bytes = tag->size - (uint32_t)sizeof *tag;
    if (bytes <= sizeof info->rsdp && bytes > info->rsdp_bytes) {
        memcpy(info->rsdp, tag + 1, bytes);
        info->rsdp_bytes = bytes;
    }
}

void multiboot2_read(uint64_t address, struct boot_info *info) {
    const struct tag *tag = (const void *)(address + 8); // NOLINT(performance-no-int-to-ptr)
    for (; tag->type != TAG_END; tag = (const void *)((const uint8_t *)tag + align_up(tag->size, 8))) {
        switch (tag->type) {
        case TAG_MODULE: read_module((const void *)tag, info); break;
        case TAG_MEMORY_MAP: read_memory_map((const void *)tag, info); break;
        case TAG_FRAMEBUFFER: read_framebuffer((const void *)tag, info); break;
        case TAG_ACPI_OLD:
        case TAG_ACPI_NEW: read_rsdp(tag, info); break;
        default: break;
        }
    }
}
