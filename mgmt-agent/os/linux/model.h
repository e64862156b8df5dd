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
#include "mullion/machine.h"

#define MODEL_FRAMES      512u /* 1 GiB, taken from the system only where touched */
#define MODEL_MAX_CPUS    16u
#define MODEL_MAX_MODULES 8u
#define MODEL_MAX_PCI     16u

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

/** Lets time pass, besides the time that really passes. */
void model_advance(uint64_t ms);

/* ---- ports and PCI functions
 * --------------------------------------------------------------------------------------- */

/** A PCI function that the VMM has found. */
void model_add_pci(uint16_t bdf, uint16_t vendor, uint16_t device, uint32_t class_code,
                   enum mullion_pci_use use);

/** The guest's driver of a port has come up with these features, or with 0 gone away. */
void model_port_driver(uint32_t id, uint32_t slot, uint64_t features);

/** @return the MAC address that a port was created with, NULL if there is no port */
const uint8_t *model_port_mac(uint32_t id, uint32_t slot);

/** The driver VM reads what the agent has sent it, or sends something to the agent. @return bytes moved */
size_t model_driver_read(void *to, size_t bytes);
size_t model_driver_write(const void *from, size_t bytes);

/** What the driver VM of the model is like; see model_driver.c. */
struct model_driver {
    bool silent;           /* answers nothing */
    unsigned nic_count;    /* named eth0..; the n-th in slot 42 + n */
    unsigned carrier_mask; /* bit per nic */
    bool refuses_jacks;
    uint32_t uplink_slot; /* what it was told, 0: none */
    uint64_t jack_features[MACHINE_SLOTS];
    unsigned requests; /* answered */
};

/** The driver VM of the model: change it at will. It answers whenever the agent reads from its console port.
 */
struct model_driver *model_driver(void);

/* ---- the byte link, at first there is none
 * --------------------------------------------------------------------------------------- */

/** There is one; between two EVENT_WAIT it takes at most `room` bytes. */
void model_add_byte_link(size_t room);

/** The client sends. */
void model_wire_send(const void *data, size_t bytes);

/** A byte is lost before those that the agent has yet to read. */
void model_wire_lose(void);

/** @return bytes that the agent has sent, moved into `to` */
size_t model_wire_take(void *to, size_t bytes);

/** For the process: the host console is a terminal. */
void model_use_terminal(void);

/** For the process: one more descriptor that ends EVENT_WAIT with MULLION_EVENT_PORT when it is readable. */
void model_watch(int descriptor);

#endif
