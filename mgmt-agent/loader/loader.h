/* SPDX-License-Identifier: MIT */
/*
 * Puts a kernel, its initramfs, command line and ACPI tables into a partition's memory and says how vCPU 0
 * begins. Kernels: Linux bzImage by its 64-bit entry (Documentation/arch/x86/boot.rst), and ELF files with a
 * PVH note (Xen, docs/misc/pvh.pandoc). The files are not trusted: each refusal names its reason.
 *
 *   0x00006000  hvm_start_info, module list, memory map (PVH)
 *   0x00007000  boot_params (bzImage)
 *   0x00009000  page tables: first 4 GiB, identity (bzImage)
 *   0x00020000  command line
 *   0x000e0000  ACPI tables, RSDP first
 *   0x000ffff0  reset vector: real-mode code that writes the reset register
 *   0x00100000  kernel, where its file wants it; in a guest that is mapped one to one: from the block's begin
 *   top of RAM below 3 GiB, or of the block: initramfs
 */
#ifndef LOADER_LOADER_H
#define LOADER_LOADER_H

#include <stddef.h>
#include <stdint.h>

#include "loader/guest.h"
#include "mullion/abi.h"

#define LOADER_STACK_TOP    0x6000u
#define LOADER_START_INFO   0x6000u
#define LOADER_BOOT_PARAMS  0x7000u
#define LOADER_PAGE_TABLES  0x9000u
#define LOADER_CMDLINE      0x20000u
#define LOADER_LOW_RAM_END  0xa0000u /* usable below the hole for legacy video and firmware */
#define LOADER_ACPI         0xe0000u
#define LOADER_ACPI_BYTES   0x20000u
#define LOADER_RESET_VECTOR 0xffff0u
#define LOADER_KERNEL_FLOOR GUEST_MAIN_FLOOR /* nothing of a kernel's file goes below */
#define LOADER_WHY_BYTES    200u

/** What to load. */
struct loader_request {
    struct guest guest;
    const uint8_t *kernel;
    uint64_t kernel_bytes;
    const uint8_t *initramfs; /* NULL: none */
    uint64_t initramfs_bytes;
    const char *cmdline;
    uint32_t vcpu_count;
};

/** Why a load was refused: "reason: remedy". */
struct loader_why {
    char text[LOADER_WHY_BYTES];
};

/**
 * Loads everything; works again after a reset of the partition.
 * @param entry out: mode, rip, rsp, rbx, rsi, cr3; the identifier is the caller's
 * @return 0, or -1 with the reason in *why
 */
int loader_load(const struct loader_request *request, struct mullion_partition_start *entry,
                struct loader_why *why);

/* ---- between the files of loader/ -------------------------------------------------------------------------
 */

/** One range of the guest's memory map; types as in ACPI and E820. */
struct loader_range {
    uint64_t base, bytes;
    uint32_t type;
};

#define LOADER_MAX_MAP  8u
#define LOADER_RAM      1u
#define LOADER_RESERVED 2u
#define LOADER_TABLES   3u /* ACPI data */

/** @return number of ranges written to `map` */
unsigned loader_memory_map(const struct guest *guest, struct loader_range map[LOADER_MAX_MAP]);

/**
 * Places the initramfs as high as possible below `limit` and above `floor`.
 * @return its guest-physical address, 0 if there is none or (with *why) no room: tell by request->initramfs
 */
uint64_t loader_place_initramfs(const struct loader_request *request, uint64_t floor, uint64_t limit,
                                struct loader_why *why);

/** Formats the reason; returns -1. */
__attribute__((format(printf, 2, 3))) int loader_refuse(struct loader_why *why, const char *format, ...);

/** Loads a bzImage; see loader_load. */
int bzimage_load(const struct loader_request *request, struct mullion_partition_start *entry,
                 struct loader_why *why);

/** Loads an ELF file with a PVH note; see loader_load. */
int pvh_load(const struct loader_request *request, struct mullion_partition_start *entry,
             struct loader_why *why);

#endif
