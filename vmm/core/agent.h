/* SPDX-License-Identifier: MIT */
/* The one thing that the VMM starts: the agent in partition 0, from a pristine image, again whenever it dies.
 */
#pragma once

#include "core/vmm.h"

#define AGENT_RAM_BYTES   (32ull << 20)
#define AGENT_STATE_GPA   0x80000000ull
#define AGENT_STATE_BYTES FRAME_BYTES
#define AGENT_MODULES_GPA 0x1000000000ull

/** Boot: checks the agent's module, takes its memory, maps the other modules read-only. Fatal on a damaged
 * image. */
void agent_init(void);

/** CPU 0: (re)starts the agent when it is due. */
void agent_look_after(void);

uint32_t agent_generation(void);
uint32_t agent_module_count(void);

/** MODULE_INFO; -MULLION_E_RANGE past the last module. */
int agent_module_info(struct mullion_module_info *info);
