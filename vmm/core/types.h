/* SPDX-License-Identifier: MIT */
/* Types that every part of the VMM uses. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A guest-physical address. A struct, so that it cannot be taken for a host-physical one. */
typedef struct {
    uint64_t v;
} gpa_t;

/** A host-physical address. */
typedef struct {
    uint64_t v;
} hpa_t;

static inline gpa_t gpa(uint64_t v) { return (gpa_t){v}; }

static inline hpa_t hpa(uint64_t v) { return (hpa_t){v}; }

#define PAGE_BYTES     4096ull
#define FRAME_BYTES    0x200000ull
#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)         (1ull << (n))

/** A value of `bytes` (1..8) ones. */
static inline uint64_t bytes_mask(unsigned bytes) { return UINT64_MAX >> (64 - 8 * bytes); }

static inline uint64_t align_down(uint64_t value, uint64_t alignment) { return value & ~(alignment - 1); }

static inline uint64_t align_up(uint64_t value, uint64_t alignment) {
    return align_down(value + alignment - 1, alignment);
}
