/* SPDX-License-Identifier: MIT */
/*
 * The driver VM: the partition "driver", which the agent makes from two boot modules before any other. It
 * shares CPU 0 with the agent, has the box's network functions, and one port for each that any partition may
 * want.
 */
#ifndef DRIVER_DRIVER_H
#define DRIVER_DRIVER_H

#include "driver/client.h"
#include "driver/uplink.h"
#include "model/problem.h"
#include "mullion/abi.h"

#define MULLION_MODULE_DRIVER "driver"            /* with the second word "kernel" or "initramfs" */
#define DRIVER_NAME           "driver"            /* reserved: no partition of the manifest has it */
#define DRIVER_MEMORY_BYTES   UINT64_C(0x6000000) /* 96 MiB */
#define DRIVER_MAX_FUNCTIONS  22u

/** Where it is in its life. */
enum driver_phase {
    DRIVER_MISSING = 0, /* the boot medium has none: a box without network */
    DRIVER_WAITING,     /* for memory to be scrubbed */
    DRIVER_DOWN,        /* dead; started again at `until_ms` */
    DRIVER_QUIET,       /* reset; its devices come to rest until `until_ms` */
    DRIVER_BOOTING,     /* runs and has not answered yet */
    DRIVER_UP,
    DRIVER_FAILED, /* `trouble` says why; not tried again */
    DRIVER_OFF,    /* switched off with the box */
    DRIVER_PHASE_COUNT,
};

/** A PCI function of the box and where the driver VM sees it. */
struct driver_function {
    uint32_t index; /* as in PCI_INFO */
    uint16_t segment, bdf;
    uint32_t slot;
};

struct driver {
    enum driver_phase phase;
    uint32_t id; /* the VMM's, 0: not created */
    uint64_t until_ms, started_ms;
    unsigned deaths; /* in a row, none of them after a minute's run */
    unsigned starts;
    uint32_t attempts;   /* to create or start it, begun and not ended, by agents that died in them too */
    uint64_t block_base; /* where its RAM lies, in the box and in itself */
    unsigned function_count;
    struct driver_function functions[DRIVER_MAX_FUNCTIONS];
    struct client client;
    struct uplink uplink;
    unsigned greetings_seen;
    char trouble[PROBLEM_BYTES]; /* shown under `problems:`; empty if all is well */
    char jack_trouble[PROBLEM_BYTES];
    char uplink_trouble[PROBLEM_BYTES]; /* likewise, of a driver VM that runs */
};

struct machine;

/** Looks for the boot modules; after an agent restart also for the partition. */
void driver_find(struct machine *machine);

/** Creates and starts it if that has not been done. @return whether others must wait: its memory is not clean
 * yet */
bool driver_bring_up(struct machine *machine);

/** Its state has changed, or somebody has sent something on the agent's port: see what it is. */
void driver_changed(struct machine *machine);

/** Does what is due: requests, time-outs, restarts. */
void driver_tick(struct machine *machine, uint64_t now_ms);

/** @return when driver_tick has something to do at the latest, in the same milliseconds */
uint64_t driver_deadline(const struct machine *machine);

/** Asks it to switch itself off; `DRIVER_OFF` follows. */
void driver_power_off(struct machine *machine);

/** Starts it again after a power-off that the box could not carry out. */
void driver_revive(struct machine *machine);

/** @return whether it runs, as far as is known */
bool driver_is_alive(const struct driver *driver);

/** @return "running", "booting" ...: one word */
const char *driver_phase_name(enum driver_phase phase);

/** @return what the driver VM says about the function in this slot, NULL if nothing */
const struct rpc_function *driver_function_told(const struct driver *driver, uint32_t slot);

#endif
