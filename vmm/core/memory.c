/* SPDX-License-Identifier: MIT */
/* Dividing the RAM at boot: the VMM's pool, the modules, and frames for partitions. */
#include "core/core.h"

#define POOL_BYTES         (6ull << 20)
#define POOL_BYTES_PER_CPU (96ull << 10)
#define LOW_LIMIT          0x100000000ull

enum { IMAGE_START = 0x200000, TRAMPOLINE_FIRST = 0x8000, TRAMPOLINE_LAST = 0x90000 };

/** The end of the highest RAM that the frame table must describe. */
static uint64_t ram_end(void) {
    uint64_t end = 0;
    for (uint32_t i = 0; i < platform.boot.ram_count; i++) {
        const struct boot_ram *ram = &platform.boot.ram[i];
        end = ram->start + ram->bytes > end ? ram->start + ram->bytes : end;
        platform.ram_bytes += ram->bytes;
    }
    return align_up(end, FRAME_BYTES);
}

/** Is [at, at + bytes) RAM without a module in it? */
static bool is_unused(uint64_t at, uint64_t bytes) {
    for (uint32_t i = 0; i < platform.boot.module_count; i++) {
        const struct boot_module *module = &platform.boot.modules[i];
        if (module->start < at + bytes && at < module->start + module->bytes) { return false; }
    }
    for (uint32_t i = 0; i < platform.boot.ram_count; i++) {
        const struct boot_ram *ram = &platform.boot.ram[i];
        if (at >= ram->start && at + bytes <= ram->start + ram->bytes) { return true; }
    }
    return false;
}

/** The highest unused multiple of `step` (at most `first`) from `first` on with `bytes` below `limit`; 0: none. */
static uint64_t find_place(uint64_t first, uint64_t limit, uint64_t step, uint64_t bytes) {
    for (uint64_t at = align_down(limit - bytes, step); at >= first && at < limit; at -= step) {
        if (is_unused(at, bytes)) { return at; }
    }
    return 0;
}

static void find_trampoline_page(void) {
    platform.trampoline_page = find_place(TRAMPOLINE_FIRST, TRAMPOLINE_LAST, PAGE_BYTES, PAGE_BYTES);
    if (platform.trampoline_page == 0) {
        log_fatal("the firmware leaves no page below 1 MiB to start the other CPUs from; update the firmware");
    }
}

/** What the loader left behind a module in its last page belongs to nobody: the agent shall not see it. */
static void reserve_module(const struct boot_module *module) {
    uint64_t end = module->start + module->bytes;
    frames_reserve(module->start, module->bytes, MULLION_OWNER_MODULES);
    memset((void *)end, 0, align_up(end, PAGE_BYTES) - end); // NOLINT(performance-no-int-to-ptr)
}

void memory_init(void) {
    uint64_t end = ram_end();
    uint64_t table_bytes = align_up(end / FRAME_BYTES * sizeof(struct frame), PAGE_BYTES);
    uint64_t pool = POOL_BYTES + cpu_count() * POOL_BYTES_PER_CPU;
    uint64_t bytes = align_up(table_bytes + pool, FRAME_BYTES);
    uint64_t start = find_place(2 * FRAME_BYTES, LOW_LIMIT, FRAME_BYTES, bytes);
    uint64_t needed = bytes + FRAME_BYTES + AGENT_RAM_BYTES + AGENT_STATE_BYTES;
    if (start == 0) {
        log_fatal("too little memory: %lu MiB found, the VMM and the agent alone need %lu MiB; add memory",
                  platform.ram_bytes >> 20, needed >> 20);
    }
    pool_init((void *)start, bytes); // NOLINT(performance-no-int-to-ptr)
    struct frame *table = pool_alloc(table_bytes / PAGE_BYTES);
    ASSERT(table != NULL);
    frames_init(table, end);
    for (uint32_t i = 0; i < platform.boot.ram_count; i++) {
        frames_add_ram(platform.boot.ram[i].start, platform.boot.ram[i].bytes);
    }
    frames_reserve(0, FRAME_BYTES, MULLION_OWNER_RESERVED);
    frames_reserve(IMAGE_START, FRAME_BYTES, MULLION_OWNER_VMM);
    frames_reserve(start, bytes, MULLION_OWNER_VMM);
    for (uint32_t i = 0; i < platform.boot.module_count; i++) { reserve_module(&platform.boot.modules[i]); }
    if (platform.boot.ram_dropped != 0) {
        log_line("%u runs of RAM are not used: the VMM takes %u from the firmware's memory map",
                 platform.boot.ram_dropped, BOOT_MAX_RAM);
    }
    find_trampoline_page();
}
