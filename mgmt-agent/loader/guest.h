/* SPDX-License-Identifier: MIT */
/* A partition's memory as the loader sees it: through the loading window, by guest-physical address. */
#ifndef LOADER_GUEST_H
#define LOADER_GUEST_H

#include <stdint.h>

/** Guest RAM: [0, low_bytes) and [MACHINE_HIGH_RAM_BASE, MACHINE_HIGH_RAM_BASE + high_bytes). */
struct guest {
    uint64_t window_gpa; /* where guest-physical 0 appears in the agent */
    uint64_t low_bytes, high_bytes;
};

/** @return a guest with `bytes` of RAM, laid out as mullion/machine.h says */
struct guest guest_layout(uint64_t window_gpa, uint64_t bytes);

/** @return the bytes at guest-physical `gpa`, or NULL unless all of them are RAM */
void *guest_at(const struct guest *guest, uint64_t gpa, uint64_t bytes);

#endif
