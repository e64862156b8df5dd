/* SPDX-License-Identifier: MIT */
/* Network interfaces that are PCI functions, as /sys shows them. */
#ifndef DRIVERVM_PORTS_H
#define DRIVERVM_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mullion/driver_rpc.h"

#define PORTS_MAX 256u

enum port_kind {
    PORT_NIC,  /* the box's own */
    PORT_JACK, /* an end of a link */
};

struct port {
    char name[16];
    unsigned index; /* of the interface */
    uint32_t slot;
    enum port_kind kind;
    uint8_t mac[6];
    bool is_up, has_carrier, in_bridge;
};

/** All ports of a kind, in the order of slots, then of interfaces.
 * @return how many */
size_t ports_list(enum port_kind kind, struct port ports[PORTS_MAX]);

/** The port in a slot; a `mac` of zeros is any.
 * @return whether there is one */
bool ports_find(enum port_kind kind, uint32_t slot, const uint8_t mac[6], struct port *port);

/** Fills what the agent is told of a NIC; the answer was zero. */
void ports_describe(const struct port *port, struct rpc_nic *answer);

#endif
