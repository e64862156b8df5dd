/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as kernel: no access outside the guest's memory (a buffer of its own, so the sanitizer sees it),
 * and what is accepted starts inside that memory. Also as DSDT for the search for \_S5_.
 */
#include <stdlib.h>

#include "loader/loader.h"
#include "model/s5.h"

#define GUEST_BYTES (24u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_entry(const struct mullion_partition_start *entry)
{
    if (entry->mode >= MULLION_ENTRY_COUNT || entry->rip < LOADER_KERNEL_FLOOR || entry->rip >= GUEST_BYTES ||
        entry->cr3 % 4096 != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t *memory;
    static const uint8_t initramfs[3000];
    if (memory == NULL) {
        memory = malloc(GUEST_BYTES);
    }
    struct loader_request request = {
        .guest = guest_layout((uintptr_t)memory, GUEST_BYTES),
        .kernel = data,
        .kernel_bytes = size,
        .initramfs = size % 2 == 0 ? initramfs : NULL,
        .initramfs_bytes = size % 2 == 0 ? sizeof(initramfs) : 0,
        .cmdline = "console=ttyS0",
        .vcpu_count = 1,
    };
    struct mullion_partition_start entry;
    struct loader_why why = {.text = ""};
    if (loader_load(&request, &entry, &why) == 0) {
        check_entry(&entry);
    } else if (why.text[0] == 0) {
        abort();
    }
    struct s5_values values;
    s5_find(data, size, &values);
    return 0;
}
