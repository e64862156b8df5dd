/* SPDX-License-Identifier: MIT */
/* The few library functions of a freestanding program. */
#pragma once

#include "core/types.h"

#include <stdarg.h>

void *memcpy(void *to, const void *from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *a, const void *b, size_t count);
size_t strlen(const char *text);

/** A field of a table that may lie at any address. */
static inline uint32_t read32(const void *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t read64(const void *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/** Are two zero-terminated strings equal? */
bool text_equal(const char *a, const char *b);

/** Copies as much of `from` as fits `bytes` with its terminating zero. */
void text_copy(char *to, const char *from, size_t bytes);

/**
 * Formats into `to` (always terminated) and returns the length. Knows %s %% %u %x and l: what the VMM's own
 * messages need.
 */
size_t text_format(char *to, size_t bytes, const char *format, va_list arguments);

/** CRC-32 of IEEE 802.3, continued from `crc` (start with 0). */
uint32_t crc32(uint32_t crc, const void *data, size_t count);

/** a * b / divisor without overflow of the product; the quotient must fit 64 bits. */
uint64_t mul_div(uint64_t a, uint64_t b, uint64_t divisor);
