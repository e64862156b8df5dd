/* SPDX-License-Identifier: MIT */
/*
 * Linux bzImage by the 64-bit boot protocol: boot_params ("zero page") in RSI, the first 4 GiB mapped one to
 * one, entry 0x200 into the protected-mode part (Documentation/arch/x86/boot.rst, "64-bit Boot Protocol";
 * zero-page.rst).
 */
#include <stdbool.h>
#include <string.h>

#include "loader/bytes.h"
#include "loader/loader.h"
#include "mullion/machine.h"

/* Offsets in the file and, the same, in boot_params. */
#define HDR_SETUP_SECTS     0x1f1u
#define HDR_SYSSIZE         0x1f4u
#define HDR_BOOT_FLAG       0x1feu
#define HDR_JUMP            0x200u
#define HDR_MAGIC           0x202u
#define HDR_VERSION         0x206u
#define HDR_TYPE_OF_LOADER  0x210u
#define HDR_LOADFLAGS       0x211u
#define HDR_RAMDISK_IMAGE   0x218u
#define HDR_RAMDISK_SIZE    0x21cu
#define HDR_CMD_LINE_PTR    0x228u
#define HDR_INITRD_ADDR_MAX 0x22cu
#define HDR_ALIGNMENT       0x230u
#define HDR_RELOCATABLE     0x234u
#define HDR_XLOADFLAGS      0x236u
#define HDR_CMDLINE_SIZE    0x238u
#define HDR_PREF_ADDRESS    0x258u
#define HDR_INIT_SIZE       0x260u
#define HDR_END             0x290u /* boot_params has the EDD buffer from here */
#define PARAM_RSDP          0x070u
#define PARAM_E820_COUNT    0x1e8u
#define PARAM_E820          0x2d0u
#define PARAM_BYTES         4096u
#define E820_BYTES          20u
#define BOOT_FLAG           0xaa55u
#define MAGIC               0x53726448u /* "HdrS" */
#define MIN_VERSION         0x020cu     /* 2.12: xloadflags */
#define LOADED_HIGH         0x01u
#define XLF_KERNEL_64       0x0001u
#define LOADER_UNDEFINED    0xffu
#define ENTRY_64            0x200u
#define SECTOR              512u
#define MIB                 0x100000u
#define PTE_TABLE           0x3ull
#define PTE_LARGE_RW        0x83ull

/* What the setup header says, each number read once. */
struct setup {
    uint64_t setup_bytes, kernel_bytes, load_address, init_bytes, initrd_limit, cmdline_limit;
};

static bool field_known(const uint8_t *file)
{
    return get16(file + HDR_BOOT_FLAG) == BOOT_FLAG && get32(file + HDR_MAGIC) == MAGIC;
}

static int header_check(const struct loader_request *r, struct loader_why *why)
{
    if (!field_known(r->kernel)) {
        return loader_refuse(why, "the kernel's file is neither a bzImage nor an ELF file: it is damaged or "
                                  "something else, replace it");
    }
    unsigned version = get16(r->kernel + HDR_VERSION);
    if (version < MIN_VERSION) {
        return loader_refuse(why, "the bzImage has boot protocol %u.%02u: take Linux 3.8 or newer (2.12)",
                             version >> 8, version & 0xff);
    }
    if ((get16(r->kernel + HDR_XLOADFLAGS) & XLF_KERNEL_64) == 0 ||
        (r->kernel[HDR_LOADFLAGS] & LOADED_HIGH) == 0) {
        return loader_refuse(why, "the bzImage has no 64-bit entry: take a kernel built for x86-64");
    }
    return 0;
}

static int setup_read(const struct loader_request *r, struct setup *s, struct loader_why *why)
{
    const uint8_t *file = r->kernel;
    unsigned sectors = file[HDR_SETUP_SECTS] != 0 ? file[HDR_SETUP_SECTS] : 4;
    *s = (struct setup){
        .setup_bytes = (sectors + 1ull) * SECTOR,
        .kernel_bytes = get32(file + HDR_SYSSIZE) * 16ull,
        .load_address = get64(file + HDR_PREF_ADDRESS),
        .init_bytes = get32(file + HDR_INIT_SIZE),
        .initrd_limit = get32(file + HDR_INITRD_ADDR_MAX) + 1ull,
        .cmdline_limit = get32(file + HDR_CMDLINE_SIZE),
    };
    if (s->kernel_bytes <= ENTRY_64 || s->setup_bytes + s->kernel_bytes > r->kernel_bytes) {
        return loader_refuse(
            why, "the bzImage says that it has %llu bytes, the file has %llu: it is cut short, replace it",
            (unsigned long long)s->setup_bytes + s->kernel_bytes, (unsigned long long)r->kernel_bytes);
    }
    uint64_t alignment = get32(file + HDR_ALIGNMENT);
    if (s->init_bytes < s->kernel_bytes || s->load_address < LOADER_KERNEL_FLOOR || alignment == 0 ||
        s->load_address % alignment != 0) {
        return loader_refuse(
            why,
            "the bzImage's header contradicts itself (init_size, pref_address): it is damaged, replace it");
    }
    /* A relocatable kernel is put where the RAM is, if that is not where it would like to be. */
    if (file[HDR_RELOCATABLE] != 0 && s->load_address < r->guest.main_base) {
        s->load_address = round_up(r->guest.main_base, alignment);
    }
    return 0;
}

static int fit_check(const struct loader_request *r, const struct setup *s, struct loader_why *why)
{
    if (s->load_address >= MACHINE_LOW_RAM_END ||
        guest_at(&r->guest, s->load_address, s->init_bytes) == NULL) {
        return loader_refuse(
            why, "the kernel needs memory up to %llu MiB: give the partition more than its %llu MiB",
            (unsigned long long)(s->load_address + s->init_bytes) / MIB + 1,
            (unsigned long long)(guest_bytes(&r->guest) + GUEST_MAIN_FLOOR) / MIB);
    }
    if (strlen(r->cmdline) > s->cmdline_limit) {
        return loader_refuse(why, "the command line has %zu bytes, the kernel takes %llu: shorten it",
                             strlen(r->cmdline), (unsigned long long)s->cmdline_limit);
    }
    return 0;
}

/* PML4 -> PDPT -> four PDs of 2 MiB pages: guest-physical 0 to 4 GiB. */
static void page_tables_write(const struct guest *guest)
{
    uint64_t *tables = guest_at(guest, LOADER_PAGE_TABLES, 6 * 4096ull);
    memset(tables, 0, 6 * 4096ull);
    tables[0] = (LOADER_PAGE_TABLES + 0x1000) | PTE_TABLE;
    for (uint64_t i = 0; i < 4; i++) {
        tables[512 + i] = (LOADER_PAGE_TABLES + 0x2000 + i * 0x1000) | PTE_TABLE;
    }
    for (uint64_t i = 0; i < 4 * 512ull; i++) {
        tables[1024 + i] = i << 21 | PTE_LARGE_RW;
    }
}

static void e820_write(const struct guest *guest, uint8_t *params)
{
    struct loader_range map[LOADER_MAX_MAP];
    unsigned count = loader_memory_map(guest, map);
    params[PARAM_E820_COUNT] = (uint8_t)count;
    for (unsigned i = 0; i < count; i++) {
        uint8_t *entry = params + PARAM_E820 + i * E820_BYTES;
        put64(entry, map[i].base);
        put64(entry + 8, map[i].bytes);
        put32(entry + 16, map[i].type);
    }
}

static void params_write(const struct loader_request *r, uint64_t initramfs)
{
    uint8_t *params = guest_at(&r->guest, LOADER_BOOT_PARAMS, PARAM_BYTES);
    memset(params, 0, PARAM_BYTES);
    /* The header's length follows from its own jump instruction (boot.rst, "Loading the rest of the kernel").
     */
    uint32_t bytes = HDR_MAGIC - HDR_SETUP_SECTS + r->kernel[HDR_JUMP + 1];
    if (bytes > HDR_END - HDR_SETUP_SECTS) {
        bytes = HDR_END - HDR_SETUP_SECTS;
    }
    memcpy(params + HDR_SETUP_SECTS, r->kernel + HDR_SETUP_SECTS, bytes);
    params[HDR_TYPE_OF_LOADER] = LOADER_UNDEFINED;
    put32(params + HDR_CMD_LINE_PTR, LOADER_CMDLINE);
    put32(params + HDR_RAMDISK_IMAGE, (uint32_t)initramfs);
    put32(params + HDR_RAMDISK_SIZE, initramfs != 0 ? (uint32_t)r->initramfs_bytes : 0);
    put64(params + PARAM_RSDP, LOADER_ACPI);
    e820_write(&r->guest, params);
}

int bzimage_load(const struct loader_request *r, struct mullion_partition_start *entry,
                 struct loader_why *why)
{
    struct setup setup;
    int error = header_check(r, why);
    error = error != 0 ? error : setup_read(r, &setup, why);
    error = error != 0 ? error : fit_check(r, &setup, why);
    if (error != 0) {
        return error;
    }
    uint64_t initramfs = 0;
    if (r->initramfs != NULL) {
        initramfs = loader_place_initramfs(r, setup.load_address + setup.init_bytes, setup.initrd_limit, why);
        if (initramfs == 0) {
            return -1;
        }
    }
    memcpy(guest_at(&r->guest, setup.load_address, setup.kernel_bytes), r->kernel + setup.setup_bytes,
           setup.kernel_bytes);
    page_tables_write(&r->guest);
    params_write(r, initramfs);
    entry->mode = MULLION_ENTRY_LONG64;
    entry->rip = setup.load_address + ENTRY_64;
    entry->rsi = LOADER_BOOT_PARAMS;
    entry->cr3 = LOADER_PAGE_TABLES;
    return 0;
}
