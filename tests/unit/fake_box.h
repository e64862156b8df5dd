/* SPDX-License-Identifier: MIT */
/*
 * A box without hardware for tests of hypercalls and partitions: CPUs that obey at once, RAM in a heap block,
 * the agent's partition ready to call. The VMM's files above it are the real ones.
 */
#ifndef TESTS_UNIT_FAKE_BOX_H
#define TESTS_UNIT_FAKE_BOX_H

#include "core/partition.h"

#define BOX_CPUS       5u /* 0 = the agent's; the last one did not start */
#define BOX_FRAMES     32u
#define BOX_AGENT_RAM  (2 * FRAME_BYTES)
#define BOX_WINDOW_GPA BIT(39)
#define BOX_REQUEST    0x1000u /* where box_call() puts requests */
#define BOX_BUFFER     0x2000u

/** A fresh box. */
void box_start(void);

/** Destroys all partitions. */
void box_stop(void);

/** The agent's vCPU, as it stands in a hypercall. */
struct vcpu *box_agent(void);

/** Makes a call with a request that is copied in and, afterwards, out. Returns RAX. */
int64_t box_call(uint64_t number, void *request, size_t bytes);

/** Agent RAM at a guest-physical address below BOX_AGENT_RAM. */
uint8_t *box_agent_ram(uint64_t address);

/** Clears all dirty frames, as idle CPUs do. */
void box_scrub(void);

/** The box has a byte link that has room for so many bytes, always; what is read from it is "lll". */
void box_add_byte_link(size_t room);

/** From now on the CPU with this index does not react to kicks. */
void box_deafen(uint32_t cpu);

/** What must hold between any two calls: NULL, or what does not. */
const char *box_broken_invariant(void);

#endif
