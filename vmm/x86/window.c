/* SPDX-License-Identifier: MIT */
/* AMD64 APM volume 2, section 5.6.6 (SMAP: user pages are out of reach but while EFLAGS.AC is set). */
#include "core/core.h"

_Static_assert(CPU_MAX *CPU_WINDOWS <= WINDOW_COUNT, "each CPU has windows of its own");

/* present, writable, user, accessed, dirty, 2 MiB, no-execute */
#define WINDOW_BITS (BIT(0) | BIT(1) | BIT(2) | BIT(5) | BIT(6) | BIT(7) | BIT(63))

static uint8_t *window_address(const struct cpu *cpu, uint32_t slot) {
    uint64_t index = (uint64_t)cpu->index * CPU_WINDOWS + slot;
    return (uint8_t *)(WINDOW_BASE + index * FRAME_BYTES); // NOLINT(performance-no-int-to-ptr)
}

static void map(struct cpu *cpu, uint32_t slot, uint64_t frame) {
    *paging_window_entry(cpu->index * CPU_WINDOWS + slot) = frame != 0 ? frame | WINDOW_BITS : 0;
    invlpg(window_address(cpu, slot));
    cpu->windows[slot] = frame;
}

/** Where [address, address + bytes) can be seen. The result of the call before stays good, so two can be had at once.
 */
static void *window_open(hpa_t address, size_t bytes) {
    struct cpu *cpu = this_cpu();
    uint64_t frame = align_down(address.v, FRAME_BYTES), offset = address.v - frame;
    ASSERT(bytes <= FRAME_BYTES - offset && frame != 0);
    uint32_t slot = 0;
    while (slot < CPU_WINDOWS && cpu->windows[slot] != frame) { slot++; }
    if (slot == CPU_WINDOWS) {
        slot = (cpu->window_used + 1) % CPU_WINDOWS;
        map(cpu, slot, frame);
    }
    cpu->window_used = slot;
    return window_address(cpu, slot) + offset;
}

static void reach_user_pages(bool allowed) {
    bool smap = this_cpu()->smap;
    if (smap && allowed) { __asm__ volatile("stac" : : : "memory"); }
    if (smap && !allowed) { __asm__ volatile("clac" : : : "memory"); }
}

void window_close(void) {
    struct cpu *cpu = this_cpu();
    for (uint32_t slot = 0; slot < CPU_WINDOWS; slot++) {
        if (cpu->windows[slot] != 0) { map(cpu, slot, 0); }
    }
}

/** A word that another CPU may read or write at the same time is moved in one piece. */
static void copy(void *to, const void *from, size_t bytes) {
    reach_user_pages(true);
    if (bytes == sizeof(uint16_t)) {
        *(volatile uint16_t *)to = *(const volatile uint16_t *)from;
    } else {
        memcpy(to, from, bytes);
    }
    reach_user_pages(false);
}

void window_read(hpa_t from, void *to, size_t bytes) { copy(to, window_open(from, bytes), bytes); }

void window_write(hpa_t to, const void *from, size_t bytes) { copy(window_open(to, bytes), from, bytes); }

void window_copy(hpa_t to, hpa_t from, size_t bytes) {
    const void *source = window_open(from, bytes);
    copy(window_open(to, bytes), source, bytes);
}

void window_scrub(hpa_t frame) {
    void *at = window_open(frame, FRAME_BYTES);
    uint64_t count = FRAME_BYTES / 8;
    reach_user_pages(true);
    __asm__ volatile("rep stosq" : "+D"(at), "+c"(count) : "a"(0) : "memory");
    reach_user_pages(false);
    window_close();
}
