/* SPDX-License-Identifier: MIT */
/* What the loader handed over, copied out of its tags once. Source: Multiboot2 specification, section 3.6. */
#pragma once

#include "core/screen.h"
#include "mullion/abi.h"

enum { BOOT_MAX_MODULES = 32, BOOT_MAX_RAM = 128 };

struct boot_module {
    uint64_t start, bytes; /* start is page aligned */
    char text[MULLION_TEXT_BYTES];
};

struct boot_ram {
    uint64_t start, bytes;
};

struct boot_info {
    struct boot_module modules[BOOT_MAX_MODULES];
    struct boot_ram ram[BOOT_MAX_RAM]; /* usable RAM, less what another entry of the firmware's map claims */
    struct screen_mode screen;
    uint32_t module_count, ram_count, modules_dropped, ram_dropped; /* dropped: beyond the tables above */
    uint8_t rsdp[36];
    uint32_t rsdp_bytes; /* 0: the loader gave none */
    bool byte_link;      /* the command line is MULLION_OPTION_BYTE_LINK */
};

/** Reads the tags at `address` into *info. Everything in *info is bounded; unknown tags are passed over. */
void multiboot2_read(uint64_t address, struct boot_info *info);
