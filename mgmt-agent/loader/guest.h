/* SPDX-License-Identifier: MIT */
/* A partition's memory as the loader sees it: through the loading window, by guest-physical address. */
#ifndef LOADER_GUEST_H
#define LOADER_GUEST_H

#include <stdint.h>

#define GUEST_MAIN_FLOOR 0x100000u /* the first MiB is for tables and firmware */

/** Guest RAM: the first MiB, [main_base, main_end), [MACHINE_HIGH_RAM_BASE, MACHINE_HIGH_RAM_BASE +
 * high_bytes). */
struct guest {
    uint64_t window_gpa; /* where guest-physical 0 appears in the agent */
    uint64_t main_base, main_end, high_bytes;
};

/** @return a guest with `bytes` of RAM, at least 1 MiB, laid out as mullion/machine.h says */
struct guest guest_layout(uint64_t window_gpa, uint64_t bytes);

/** @return a guest whose main RAM is one block where host memory has the same address, for devices that do
 * DMA */
struct guest guest_layout_identity(uint64_t window_gpa, uint64_t base, uint64_t bytes);

/** @return bytes of RAM, without the first MiB */
uint64_t guest_bytes(const struct guest *guest);

/** @return the bytes at guest-physical `gpa`, or NULL unless all of them are RAM */
void *guest_at(const struct guest *guest, uint64_t gpa, uint64_t bytes);

#endif
