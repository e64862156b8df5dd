/* SPDX-License-Identifier: MIT */
/* What boot learned about the box, constant afterwards. */
#pragma once

#include "boot/multiboot2.h"
#include "x86/acpi.h"

struct platform {
    struct boot_info boot;
    struct acpi_info acpi;
    uint64_t ram_bytes;
    uint64_t window_gpa;      /* upper half of the physical address space: beyond every partition's RAM */
    uint64_t trampoline_page; /* RAM below 1 MiB, outside all frames that are handed out */
    uint32_t phys_bits;
    bool gigabyte_pages;
};

extern struct platform platform;
