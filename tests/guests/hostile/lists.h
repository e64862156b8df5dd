/* SPDX-License-Identifier: MIT */
/*
 * What a partition may reach: the test's own copy of the allow-lists, written from docs and not from the
 * VMM's tables, so that a number that slips into those tables is noticed.
 */
#ifndef LISTS_H
#define LISTS_H

#include <stdbool.h>
#include <stdint.h>

/** May a partition read or write this MSR (perhaps with limits on the value)? */
bool list_has_msr(uint32_t msr);

/** Does a device answer at any of the `bytes` ports from `port`? */
bool list_has_port(uint32_t port, unsigned bytes);

/** Does the CPUID leaf carry information? */
bool list_has_leaf(uint32_t leaf);

#endif
