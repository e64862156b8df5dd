/* SPDX-License-Identifier: MIT */
/* AMD64 APM volume 2, section 5.6.6 (SMAP: user pages are out of reach but while EFLAGS.AC is set). */
#include "core/window.h"
#include "core/vmm.h"

#include "x86/cpu.h"
#include "x86/paging.h"

/* present, writable, user, accessed, dirty, 2 MiB, no-execute */
#define WINDOW_BITS (BIT(0) | BIT(1) | BIT(2) | BIT(5) | BIT(6) | BIT(7) | BIT(63))

static uint8_t *window_open(hpa_t address) {
    struct cpu *cpu = this_cpu();
    uint64_t frame = align_down(address.v, FRAME_BYTES);
    uint8_t *window = (uint8_t *)(WINDOW_BASE + cpu->index * FRAME_BYTES); // NOLINT(performance-no-int-to-ptr)
    *paging_window_entry(cpu->index) = frame | WINDOW_BITS;
    invlpg(window);
    if (cpu->smap) { __asm__ volatile("stac" : : : "memory"); }
    return window + (address.v - frame);
}

static void window_close(void) {
    struct cpu *cpu = this_cpu();
    if (cpu->smap) { __asm__ volatile("clac" : : : "memory"); }
    *paging_window_entry(cpu->index) = 0;
    invlpg((void *)(WINDOW_BASE + cpu->index * FRAME_BYTES)); // NOLINT(performance-no-int-to-ptr)
}

static void check(hpa_t address, size_t bytes) {
    ASSERT(bytes <= FRAME_BYTES && address.v % FRAME_BYTES + bytes <= FRAME_BYTES);
}

void window_read(hpa_t from, void *to, size_t bytes) {
    check(from, bytes);
    memcpy(to, window_open(from), bytes);
    window_close();
}

void window_write(hpa_t to, const void *from, size_t bytes) {
    check(to, bytes);
    memcpy(window_open(to), from, bytes);
    window_close();
}

void window_scrub(hpa_t frame) {
    check(frame, FRAME_BYTES);
    void *at = window_open(frame);
    uint64_t count = FRAME_BYTES / 8;
    __asm__ volatile("rep stosq" : "+D"(at), "+c"(count) : "a"(0) : "memory");
    window_close();
}
