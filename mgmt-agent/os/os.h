/* SPDX-License-Identifier: MIT */
/*
 * What the agent needs from below: the only calls that differ between the unikernel (this directory) and the
 * Linux process (linux/), which answers them with a model of the VMM.
 */
#ifndef OS_OS_H
#define OS_OS_H

#include <stdbool.h>
#include <stddef.h>
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

/**
 * Fills memory with random bytes fit for keys.
 * @return 0, or -1 if the CPU has no source of entropy: then nothing secret may be made
 */
int os_random(void *to, size_t bytes);

/* ---- the agent's own console ports: byte streams ----------------------------------------------------------
 */

/** (Re)starts the driver of the console port in this slot. @return 0 or a negative MULLION_E_ code */
int os_port_open_stream(uint32_t slot);

/** @return bytes taken; fewer than given, also 0, while the other end does not take more or the link is down
 */
size_t os_port_write(uint32_t slot, const void *data, size_t bytes);

/** @return bytes moved into `data`, 0 if there is none now */
size_t os_port_read(uint32_t slot, void *data, size_t bytes);

/* ---- the agent's own network port -------------------------------------------------------------------------
 */

#define OS_FRAME_BYTES 1514u /* the longest Ethernet frame, without its check sequence */

/** (Re)starts the driver of the network port in this slot and tells its MAC. @return as above */
int os_net_open(uint32_t slot, uint8_t mac[6]);

/** @return whether the link is up */
bool os_net_link(void);

/** Sends one frame. @return 0, or -1 if there is no room or the port is broken: the frame is lost */
int os_net_send(const void *frame, size_t bytes);

/** @return bytes of the next frame received, moved into `frame` (OS_FRAME_BYTES), 0 if there is none */
size_t os_net_receive(void *frame);

/** Ends the agent; the VMM logs `text` (up to 127 bytes) and starts a new one. */
_Noreturn void os_die(const char *text);

#endif
