/* SPDX-License-Identifier: MIT */
/* AMD64 APM volume 2, section 5.3 (4-level paging) and 7.8 (PAT). */
#include "x86/paging.h"

#include "core/lib.h"
#include "core/log.h"
#include "core/pool.h"
#include "x86/asm.h"

#define PTE_PRESENT  BIT(0)
#define PTE_WRITE    BIT(1)
#define PTE_USER     BIT(2)
#define PTE_PWT      BIT(3)
#define PTE_PCD      BIT(4)
#define PTE_LARGE    BIT(7)
#define PTE_NX       BIT(63)
#define PTE_ADDRESS  0x000ffffffffff000ull
#define TABLE_RIGHTS (PTE_PRESENT | PTE_WRITE)

/* PAT entry 1 (PWT) is write-combining, entry 3 (PCD and PWT) uncached, the rest as after reset. */
#define PAT_VALUE 0x0007040600070106ull

extern char vmm_image_start[], vmm_text_end[], vmm_rodata_end[], vmm_image_end[];

static uint64_t *root;
static uint64_t *window_directory;

static const uint64_t rights_bits[] = {
    [PAGING_READ] = PTE_PRESENT | PTE_NX,
    [PAGING_READ_WRITE] = PTE_PRESENT | PTE_WRITE | PTE_NX,
    [PAGING_EXECUTE] = PTE_PRESENT,
    [PAGING_DEVICE] = PTE_PRESENT | PTE_WRITE | PTE_NX | PTE_PCD | PTE_PWT,
    [PAGING_WRITE_COMBINING] = PTE_PRESENT | PTE_WRITE | PTE_NX | PTE_PWT,
};

static uint64_t *table_alloc(void) {
    uint64_t *table = pool_alloc(1);
    if (table == NULL) {
        log_fatal("out of memory for the VMM's page tables; the pool is exhausted; report this line");
    }
    return table;
}

/** The table below `*entry`, made if absent. `user` opens the upper levels for a window. */
static uint64_t *table_below(uint64_t *entry, uint64_t user) {
    if ((*entry & PTE_PRESENT) == 0) { *entry = (uint64_t)(uintptr_t)table_alloc() | TABLE_RIGHTS | user; }
    ASSERT((*entry & PTE_LARGE) == 0);
    return (uint64_t *)(uintptr_t)(*entry & PTE_ADDRESS); // NOLINT(performance-no-int-to-ptr)
}

static uint64_t *directory_for(uint64_t address, uint64_t user) {
    uint64_t *pointers = table_below(&root[address >> 39 & 511], user);
    return table_below(&pointers[address >> 30 & 511], user);
}

static uint64_t *page_entry(uint64_t address) {
    uint64_t *pages = table_below(&directory_for(address, 0)[address >> 21 & 511], 0);
    return &pages[address >> 12 & 511];
}

/** Maps one large page if `at` begins one that lies wholly before `end` and nothing is there yet. */
static bool map_large(uint64_t at, uint64_t end, enum paging_rights rights) {
    if (at % FRAME_BYTES != 0 || end - at < FRAME_BYTES) { return false; }
    uint64_t *entry = &directory_for(at, 0)[at >> 21 & 511];
    if ((*entry & PTE_PRESENT) != 0 && (*entry & PTE_LARGE) == 0) { return false; }
    *entry = at | rights_bits[rights] | PTE_LARGE;
    return true;
}

void paging_map(uint64_t start, uint64_t bytes, enum paging_rights rights) {
    uint64_t end = align_up(start + bytes, PAGE_BYTES);
    for (uint64_t at = align_down(start, PAGE_BYTES); at < end;) {
        bool large = rights != PAGING_READ_WRITE && map_large(at, end, rights);
        if (!large) { *page_entry(at) = at | rights_bits[rights]; }
        at += large ? FRAME_BYTES : PAGE_BYTES;
    }
}

void paging_unmap_page(const void *page) {
    *page_entry((uint64_t)(uintptr_t)page) = 0;
    invlpg(page);
}

static void map_between(const char *start, const char *end, enum paging_rights rights) {
    paging_map((uint64_t)(uintptr_t)start, (uint64_t)(end - start), rights);
}

void paging_init(void) {
    root = table_alloc();
    map_between(vmm_image_start, vmm_text_end, PAGING_EXECUTE);
    map_between(vmm_text_end, vmm_rodata_end, PAGING_READ);
    map_between(vmm_rodata_end, vmm_image_end, PAGING_READ_WRITE);
    paging_map(pool_start().v, pool_bytes(), PAGING_READ_WRITE);
    window_directory = directory_for(WINDOW_BASE, PTE_USER);
}

void paging_activate(void) {
    wrmsr(MSR_PAT, PAT_VALUE);
    write_cr3((uint64_t)(uintptr_t)root);
}

uint64_t paging_root(void) { return (uint64_t)(uintptr_t)root; }

uint64_t *paging_window_entry(uint32_t index) {
    ASSERT(index < 512);
    return &window_directory[index];
}
