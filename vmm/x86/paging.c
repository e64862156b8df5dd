/* SPDX-License-Identifier: MIT */
/* AMD64 APM volume 2, section 5.3 (4-level paging) and 7.8 (PAT). */
#include "core/core.h"

enum { PTE_PRESENT = 1 << 0, PTE_WRITE = 1 << 1, PTE_PWT = 1 << 3, PTE_PCD = 1 << 4 };
#define PTE_NX BIT(63)

/* PAT entry 1 (PWT) is write-combining, entry 3 (PCD and PWT) uncached, the rest as after reset. */
#define PAT_VALUE 0x0007040600070106ull

extern char vmm_image_start[], vmm_text_end[], vmm_rodata_end[], vmm_image_end[];

static struct npt own;
static uint64_t *window_directories[WINDOW_COUNT / 512];

static const uint64_t rights_bits[] = {
    [PAGING_READ] = PTE_PRESENT | PTE_NX,
    [PAGING_READ_WRITE] = PTE_PRESENT | PTE_WRITE | PTE_NX,
    [PAGING_EXECUTE] = PTE_PRESENT,
    [PAGING_DEVICE] = PTE_PRESENT | PTE_WRITE | PTE_NX | PTE_PCD | PTE_PWT,
    [PAGING_WRITE_COMBINING] = PTE_PRESENT | PTE_WRITE | PTE_NX | PTE_PWT,
};

/** Ordinary memory is mapped page by page: stack guards are taken out later. */
void paging_map(uint64_t start, uint64_t bytes, enum paging_rights rights) {
    uint64_t first = align_down(start, PAGE_BYTES);
    uint64_t total = align_up(start + bytes, PAGE_BYTES) - first;
    uint64_t step = rights == PAGING_READ_WRITE ? PAGE_BYTES : total;
    for (uint64_t at = first; at < first + total; at += step) {
        if (npt_map_as(&own, gpa(at), hpa(at), step, rights_bits[rights]) != 0) {
            log_fatal("out of memory for the VMM's page tables; the pool is exhausted; report this line");
        }
    }
}

int paging_map_device(uint64_t at, hpa_t device, uint64_t bytes) {
    return npt_map_as(&own, gpa(at), device, bytes, rights_bits[PAGING_DEVICE]);
}

void paging_unmap_page(const void *page) {
    npt_unmap(&own, gpa((uint64_t)(uintptr_t)page), PAGE_BYTES);
    invlpg(page);
}

static void map_between(const char *start, const char *end, enum paging_rights rights) {
    paging_map((uint64_t)(uintptr_t)start, (uint64_t)(end - start), rights);
}

void paging_init(void) {
    int error = npt_create(&own, UINT32_MAX, false);
    ASSERT(error == 0);
    map_between(vmm_image_start, vmm_text_end, PAGING_EXECUTE);
    map_between(vmm_text_end, vmm_rodata_end, PAGING_READ);
    map_between(vmm_rodata_end, vmm_image_end, PAGING_READ_WRITE);
    paging_map(pool_start().v, pool_bytes(), PAGING_READ_WRITE);
    for (uint32_t i = 0; i < WINDOW_COUNT / 512; i++) {
        window_directories[i] = npt_entry(&own, WINDOW_BASE + i * 512 * FRAME_BYTES, NPT_LEVEL_2M);
        ASSERT(window_directories[i] != NULL);
    }
}

void paging_activate(void) {
    wrmsr(MSR_PAT, PAT_VALUE);
    write_cr3((uint64_t)(uintptr_t)own.root);
}

uint64_t paging_root(void) { return (uint64_t)(uintptr_t)own.root; }

uint64_t *paging_window_entry(uint32_t index) {
    ASSERT(index < WINDOW_COUNT);
    return &window_directories[index / 512][index % 512];
}
