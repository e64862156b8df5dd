/* SPDX-License-Identifier: MIT */
/*
 * What the agent needs from below: the only calls that differ between the unikernel (this directory) and the
 * Linux process (linux/), which answers them with a model of the VMM.
 */
#ifndef OS_OS_H
#define OS_OS_H

#include <stdint.h>

#include "mullion/abi.h"

/** How a mapped range may be used. */
enum os_access {
    OS_READ = 0,
    OS_READ_WRITE = 1,
};

/**
 * Calls the VMM.
 * @param request the call's structure of mullion/abi.h; changed in place
 * @return 0 or a negative MULLION_E_ code
 */
long os_hypercall(enum mullion_call call, void *request);

/**
 * Makes a guest-physical range outside the agent's own RAM reachable: a boot module, the state area or a part
 * of the loading window. Mapping a range again is free.
 * @return where it is, or NULL if the address cannot be mapped (beyond 47 bits, or no page table left)
 */
void *os_map(uint64_t gpa, uint64_t bytes, enum os_access access);

/** @return the guest-physical address of an object in the agent's RAM, as hypercall buffers need it */
uint64_t os_gpa(const void *object);

/** @return the time-stamp counter, in the ticks of mullion_platform_info.tsc_khz */
uint64_t os_tsc(void);

/** Ends the agent; the VMM logs `text` (up to 127 bytes) and starts a new one. */
_Noreturn void os_die(const char *text);

#endif
