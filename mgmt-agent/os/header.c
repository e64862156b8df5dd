/* SPDX-License-Identifier: MIT */
/* The header at the start of the agent's image; seal.py fills in the length and the CRC. */
#include "mullion/abi.h"

#ifndef MULLION_VERSION
#error "MULLION_VERSION is not defined: mgmt-agent/module.mk passes -DMULLION_VERSION=\"...\""
#endif

/* agent.ld asserts both. */
#define LOAD_GPA     0x100000u
#define ENTRY_OFFSET 0x1000u

extern char __memory_bytes[];
extern const struct mullion_agent_header agent_header;

__attribute__((section(".header"), used)) const struct mullion_agent_header agent_header = {
    .magic = MULLION_AGENT_MAGIC,
    .abi_version = MULLION_ABI_VERSION,
    .load_gpa = LOAD_GPA,
    .memory_bytes = (uintptr_t)__memory_bytes,
    .entry_offset = ENTRY_OFFSET,
    .version = MULLION_VERSION,
};
