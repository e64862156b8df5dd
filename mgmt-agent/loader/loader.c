/* SPDX-License-Identifier: MIT */
#include "loader/loader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "loader/acpi.h"
#include "loader/bytes.h"
#include "mullion/machine.h"

#define SMALLEST_GUEST (16ull << 20)

int loader_refuse(struct loader_why *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why->text, sizeof(why->text), format, arguments);
    va_end(arguments);
    return -1;
}

unsigned loader_memory_map(const struct guest *guest, struct loader_range map[LOADER_MAX_MAP])
{
    unsigned n = 0;
    map[n++] = (struct loader_range){0, LOADER_LOW_RAM_END, LOADER_RAM};
    map[n++] = (struct loader_range){LOADER_LOW_RAM_END, LOADER_ACPI - LOADER_LOW_RAM_END, LOADER_RESERVED};
    map[n++] = (struct loader_range){LOADER_ACPI, LOADER_ACPI_BYTES, LOADER_TABLES};
    map[n++] = (struct loader_range){guest->main_base, guest->main_end - guest->main_base, LOADER_RAM};
    if (guest->high_bytes > 0) {
        map[n++] = (struct loader_range){MACHINE_HIGH_RAM_BASE, guest->high_bytes, LOADER_RAM};
    }
    return n;
}

uint64_t loader_place_initramfs(const struct loader_request *request, uint64_t floor, uint64_t limit,
                                struct loader_why *why)
{
    uint64_t top = request->guest.main_end < limit ? request->guest.main_end : limit;
    uint64_t bytes = request->initramfs_bytes;
    uint64_t at = bytes <= top ? (top - bytes) & ~4095ull : 0;
    uint8_t *to = at >= floor && at > 0 ? guest_at(&request->guest, at, bytes) : NULL;
    if (to == NULL) {
        loader_refuse(why,
                      "the initramfs (%llu KiB) does not fit between the kernel's end (%llu MiB) and %llu "
                      "MiB: give the "
                      "partition more memory",
                      (unsigned long long)bytes >> 10, (unsigned long long)floor >> 20,
                      (unsigned long long)top >> 20);
        return 0;
    }
    memcpy(to, request->initramfs, bytes);
    return at;
}

/*
 * Where a PC's firmware would be entered. Linux on hardware-reduced ACPI without EFI restarts by jumping
 * there (arch/x86/kernel/reboot.c: BOOT_EFI, then BOOT_BIOS) and never tries the reset register of the FADT
 * itself.
 */
static void reset_vector_write(uint8_t *to)
{
    static const uint8_t code[] = {
        0xba, MACHINE_PORT_RESET & 0xff, MACHINE_PORT_RESET >> 8, /* mov dx, port */
        0xb0, MACHINE_RESET_VALUE,                                /* mov al, value */
        0xee,                                                     /* out dx, al */
        0xf4,                                                     /* hlt */
    };
    memcpy(to, code, sizeof(code));
}

static int common_load(const struct loader_request *request, struct loader_why *why)
{
    size_t length = strlen(request->cmdline) + 1;
    void *cmdline = guest_at(&request->guest, LOADER_CMDLINE, length);
    uint8_t *tables = guest_at(&request->guest, LOADER_ACPI, LOADER_ACPI_BYTES);
    if (guest_bytes(&request->guest) < SMALLEST_GUEST - GUEST_MAIN_FLOOR || cmdline == NULL ||
        tables == NULL) {
        return loader_refuse(why, "the partition has less than 16 MiB of memory: give it more");
    }
    memcpy(cmdline, request->cmdline, length);
    acpi_build(tables, LOADER_ACPI, request->vcpu_count);
    reset_vector_write(tables + (LOADER_RESET_VECTOR - LOADER_ACPI));
    return 0;
}

int loader_load(const struct loader_request *request, struct mullion_partition_start *entry,
                struct loader_why *why)
{
    static const uint8_t elf[4] = {0x7f, 'E', 'L', 'F'};
    *entry = (struct mullion_partition_start){.rsp = LOADER_STACK_TOP};
    if (request->kernel_bytes < 1024) {
        return loader_refuse(why,
                             "the kernel's file has only %llu bytes: replace it by a bzImage or a vmlinux",
                             (unsigned long long)request->kernel_bytes);
    }
    int error = common_load(request, why);
    if (error != 0) {
        return error;
    }
    if (memcmp(request->kernel, elf, sizeof(elf)) == 0) {
        return pvh_load(request, entry, why);
    }
    return bzimage_load(request, entry, why);
}
