/* SPDX-License-Identifier: MIT */
/* The VMM's messages: a ring that the agent can read, and the host console. */
#pragma once

#include "core/types.h"

#define LOG_BYTES 32768u /* power of two */

/** Adds one line ("vmm: " and a newline are added). Callable on any CPU. */
__attribute__((format(printf, 1, 2))) void log_line(const char *format, ...);

/** A fatal condition: names it on every console ("vmm: FATAL: what; reason; remedy") and stops all CPUs. */
__attribute__((format(printf, 1, 2), noreturn)) void log_fatal(const char *format, ...);

/** Copies log text from absolute *offset (moved up to the oldest byte held); returns the bytes copied. */
size_t log_read(uint64_t *offset, uint8_t *bytes, size_t count);

#define ASSERT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            log_fatal("internal error: %s does not hold in %s; this is a bug in the VMM; report this line",            \
                      #condition, __func__);                                                                           \
        }                                                                                                              \
    } while (0)
