/* SPDX-License-Identifier: MIT */
/*
 * Page tables of the unikernel: virtual = guest-physical.
 *
 *   0                  not mapped, so that a null pointer faults
 *   4 KiB .. 12 MiB    4 KiB pages: code read-execute, constants read-only, all else read-write, no-execute
 *   12 MiB .. RAM end  the heap: 2 MiB pages, read-write, no-execute
 *   beyond             on demand by os_map, no-execute, 1 GiB pages where CPU and alignment allow
 *
 * Formats: AMD64 APM vol. 2, 5.3.
 */
#include <stdbool.h>
#include <stddef.h>

#include "cpu.h"
#include "kernel.h"
#include "os.h"

#define PTE_PRESENT  1ull
#define PTE_WRITE    2ull
#define PTE_LARGE    0x80ull
#define PTE_NX       (1ull << 63)
#define PTE_ADDRESS  0x000ffffffffff000ull
#define PAGE_BYTES   0x1000ull
#define TABLE_SLOTS  512u
#define MAP_LIMIT    (1ull << 47)
#define POOL_TABLES  128u
#define CPUID_1G_BIT (1u << 26) /* CPUID 0x80000001 EDX */

extern char __text_start[];
extern char __rodata_start[];
extern char __data_start[];
extern char __guard_start[];

static uint64_t pool[POOL_TABLES][TABLE_SLOTS] __attribute__((aligned(4096)));
static unsigned pool_used;
static uint64_t *root;
static bool have_1g;

static uint64_t *table_new(void)
{
    return pool_used < POOL_TABLES ? pool[pool_used++] : NULL;
}

/* The slot for `va` in the table of `level` (1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB), tables above it made as
 * needed. NULL: out of tables; a larger page in the way is returned itself. */
static uint64_t *slot_for(uint64_t va, unsigned level)
{
    uint64_t *table = root;
    for (unsigned at = 4;; at--) {
        uint64_t *slot = &table[(va >> (12 + 9 * (at - 1))) % TABLE_SLOTS];
        if (at == level || (*slot & PTE_LARGE) != 0) {
            return slot;
        }
        if (*slot == 0) {
            uint64_t *fresh = table_new();
            if (fresh == NULL) {
                return NULL;
            }
            *slot = (uintptr_t)fresh | PTE_PRESENT | PTE_WRITE;
        }
        table = (uint64_t *)(uintptr_t)(*slot & PTE_ADDRESS);
    }
}

static uint64_t level_bytes(unsigned level)
{
    return PAGE_BYTES << (9 * (level - 1));
}

/* Maps one page of `level`; an existing mapping gains rights, never loses them. */
static bool map_page(uint64_t va, unsigned level, uint64_t flags)
{
    uint64_t *slot = slot_for(va, level);
    if (slot == NULL) {
        return false;
    }
    if (*slot == 0) {
        *slot = va | flags | PTE_PRESENT | (level > 1 ? PTE_LARGE : 0);
    } else {
        *slot |= flags & PTE_WRITE;
        cpu_invlpg(va); /* the TLB may hold it without the right */
    }
    return true;
}

static uint64_t image_flags(uint64_t va)
{
    if (va >= (uintptr_t)__text_start && va < (uintptr_t)__rodata_start) {
        return 0;
    }
    if (va >= (uintptr_t)__rodata_start && va < (uintptr_t)__data_start) {
        return PTE_NX;
    }
    return PTE_NX | PTE_WRITE;
}

/* True if a table for finer pages already hangs where a 1 GiB page would go. */
static bool split_at(uint64_t va)
{
    const uint64_t *slot = slot_for(va, 3);
    return slot != NULL && *slot != 0 && (*slot & PTE_LARGE) == 0;
}

void *os_map(uint64_t gpa, uint64_t bytes, enum os_access access)
{
    if (bytes == 0 || gpa >= MAP_LIMIT || bytes > MAP_LIMIT - gpa) {
        return NULL;
    }
    uint64_t flags = PTE_NX | (access == OS_READ_WRITE ? PTE_WRITE : 0);
    uint64_t end = gpa + bytes;
    for (uint64_t va = gpa & ~(level_bytes(2) - 1); va < end;) {
        bool giant = have_1g && va % level_bytes(3) == 0 && end - va >= level_bytes(3) && !split_at(va);
        unsigned level = giant ? 3 : 2;
        if (!map_page(va, level, flags)) {
            return NULL;
        }
        va += level_bytes(level);
    }
    return (void *)(uintptr_t)gpa;
}

uint64_t os_gpa(const void *object)
{
    return (uintptr_t)object;
}

void paging_start(void)
{
    have_1g = (cpu_id(0x80000001u).edx & CPUID_1G_BIT) != 0;
    root = table_new();
    bool done = true;
    for (uint64_t va = PAGE_BYTES; va < KERNEL_IMAGE_END; va += PAGE_BYTES) {
        if (va != (uintptr_t)__guard_start) {
            done = done && map_page(va, 1, image_flags(va));
        }
    }
    for (uint64_t va = KERNEL_IMAGE_END; va < KERNEL_RAM_BYTES; va += level_bytes(2)) {
        done = done && map_page(va, 2, PTE_NX | PTE_WRITE);
    }
    if (!done) {
        os_die("agent: page table pool too small for its own RAM; raise POOL_TABLES");
    }
    cpu_set_cr3((uintptr_t)root);
}
