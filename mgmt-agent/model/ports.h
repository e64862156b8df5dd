/* SPDX-License-Identifier: MIT */
/*
 * Which ports a partition has and what they are linked to. All of it follows from the manifest alone, so an
 * agent that was restarted comes to the same answer. On a partition: nics first, then ends of links, in slots
 * from PORT_FIRST_SLOT. On the driver VM: the n-th nic of the manifest goes to jack n.
 */
#ifndef MODEL_PORTS_H
#define MODEL_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "model/manifest.h"

#define PORT_FIRST_SLOT 8u
#define PORT_MAX        (MANIFEST_MAX_NICS + MANIFEST_MAX_ENDS)

/* The driver VM's bus. */
#define DRIVER_SLOT_AGENT     8u /* the agent's own jack; also the agent's slot of its network port */
#define DRIVER_SLOT_RPC       9u /* console; also the agent's slot */
#define DRIVER_SLOT_JACKS     10u
#define DRIVER_SLOT_FUNCTIONS (DRIVER_SLOT_JACKS + MANIFEST_MAX_JACKS)
#define PORT_PEER_DRIVER      UINT32_MAX

/** One port of a partition. */
struct port_plan {
    uint32_t slot;
    enum mullion_port_kind kind;
    uint32_t peer; /* index of the partition in the manifest, or PORT_PEER_DRIVER */
    uint32_t peer_slot;
    unsigned index;             /* among the partition's network ports: its MAC address derives from it */
    const struct nic_spec *nic; /* NULL for the end of a direct link */
};

/** Lists the ports of partition `index` of the manifest. @return how many */
unsigned ports_plan(const struct manifest *manifest, unsigned index, struct port_plan plans[PORT_MAX]);

struct machine;
struct partition;

/** Plugs in the ports of a partition that has just been created, and links those whose other end exists. */
long ports_plug(struct machine *machine, const struct partition *p);

/** @return whether all ports of the partition are plugged in and linked as far as their other ends exist */
bool ports_are_complete(struct machine *machine, const struct partition *p);

/** Tells the driver VM's client what the ports of this partition (0: the agent's) have negotiated, and the
 * VMM what the client has confirmed. */
void ports_changed(struct machine *machine, uint64_t port_mask);

/** Acknowledges the features of jacks that the driver VM has confirmed. */
void ports_acknowledge(struct machine *machine);

/** Writes which link the driver VM has refused, "what: why: remedy", or an empty text. */
void ports_problem(const struct machine *machine, char text[PROBLEM_BYTES]);

/** Withdraws all acknowledgements: the driver VM has died. */
void ports_withdraw(struct machine *machine);

/** Links what is not linked yet to the driver VM that has just been created. */
void ports_link_driver(struct machine *machine);

#endif
