/* SPDX-License-Identifier: MIT */
/*
 * A model of the VMM for the agent as a Linux process: it answers every hypercall with the checks of
 * mullion/abi.h, keeps partitions, owners of CPUs and frames, and shows partition memory in a real window.
 * Guests do not run; tests say what they do. Guest-physical addresses of modules, state area and window are
 * pointers of this process.
 */
#ifndef OS_LINUX_MODEL_H
#define OS_LINUX_MODEL_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mullion/abi.h"

#define MODEL_FRAMES      512u /* 1 GiB, taken from the system only where touched */
#define MODEL_MAX_CPUS    16u
#define MODEL_MAX_MODULES 8u

/** Back to a box that has just booted: `cpu_count` CPUs, all frames free. */
void model_boot(unsigned cpu_count);

/** What the VMM does when an agent has died: the generation rises, the window closes. */
void model_restart_agent(void);

/** The agent dies at its hypercall number `call` from now, before or after it: control goes to `where`. 0:
 * never. */
void model_die_at(unsigned call, bool after, jmp_buf *where);

/** A host console that takes nothing. */
void model_stick_console(bool stuck);

/** A CPU that did not come up. */
void model_break_cpu(unsigned cpu);

/** Makes free frames dirty, or with `clean` all dirty ones free (and posts MULLION_EVENT_SCRUBBED). */
void model_set_dirty(unsigned first_frame, unsigned count);
void model_scrub(void);

/** Adds a boot module; `data` must stay. */
void model_add_module(const char *text, const void *data, size_t bytes);

/** A running partition ends. */
void model_end_partition(uint32_t id, enum mullion_stop_reason reason, uint64_t detail);

/** The guest writes to its console. */
void model_guest_output(uint32_t id, const char *text);

/** @return what the agent has passed to the guest's console since the last call */
const char *model_guest_input(uint32_t id);

/** Types on the host console. */
void model_type(const char *text);

/** @return everything written to the host console since the last call */
const char *model_output(void);

/** What the last HOST_ call asked for. */
enum model_power {
    MODEL_POWER_ON,
    MODEL_POWER_RESET,
    MODEL_POWER_OFF,
};

enum model_power model_power(void);

/** @return the entry state with which a partition was started last */
const struct mullion_partition_start *model_entry(uint32_t id);

/** @return the partition's memory at this guest-physical address, NULL outside of it */
uint8_t *model_memory(uint32_t id, uint64_t gpa);

/** For the process: the host console is a terminal. */
void model_use_terminal(void);

#endif
