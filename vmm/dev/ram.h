/* SPDX-License-Identifier: MIT */
/* What devices may do with a partition's RAM. ram_contains() comes first: the others want ranges that it found good,
 * which they stay as long as the partition lives. */
#pragma once

#include "core/types.h"

struct partition;

bool ram_contains(const struct partition *p, uint64_t at, uint64_t bytes);

/** An aligned 16-bit word is read at once with acquire order, and written with release order. */
void ram_read(const struct partition *p, uint64_t from, void *to, size_t bytes);
void ram_write(const struct partition *p, uint64_t to, const void *from, size_t bytes);

/** From one partition to another; each byte is read once. */
void ram_copy(const struct partition *to, uint64_t to_at, const struct partition *from, uint64_t from_at, size_t bytes);

static inline uint16_t ram_load16(const struct partition *p, uint64_t at) {
    uint16_t value;
    ram_read(p, at, &value, sizeof value);
    return value;
}

static inline void ram_store16(const struct partition *p, uint64_t at, uint16_t value) {
    ram_write(p, at, &value, sizeof value);
}
