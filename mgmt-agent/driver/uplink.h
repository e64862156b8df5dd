/* SPDX-License-Identifier: MIT */
/* Which of the box's ports joins the bridge to the outside: always at most one. */
#ifndef DRIVER_UPLINK_H
#define DRIVER_UPLINK_H

#include "driver/client.h"
#include "model/problem.h"
#include "model/site.h"

/** What the choice was so far. Zero-initialise it. */
struct uplink {
    bool chosen;
    uint8_t mac[ADDRESS_MAC_BYTES]; /* of the port chosen */
    uint64_t since_ms;
    unsigned tried; /* ports that were tried without getting a lease */
};

/** What the choice depends on besides the ports. */
struct uplink_view {
    const struct site *site;
    uint32_t slot;  /* with UPLINK_PCI: where the driver VM sees that function; 0: it does not have it */
    bool has_lease; /* the agent has an address by DHCP */
    uint64_t now_ms;
};

/**
 * Chooses among the ports that the driver VM has named. A port named by the site is taken with or without
 * carrier; else the first with carrier that leads to a lease, or just the first with carrier if the address
 * is static.
 * @return the port, NULL if there is none to take
 */
const struct rpc_nic *uplink_choose(struct uplink *uplink, const struct uplink_view *view,
                                    const struct client *client);

/** Writes what is wrong with the way out, "what: why: remedy", or an empty text. `nic` is the choice. */
void uplink_problem(const struct uplink_view *view, const struct client *client, const struct rpc_nic *nic,
                    char text[PROBLEM_BYTES]);

/** @return when another port is tried at the latest, UINT64_MAX for never */
uint64_t uplink_deadline(const struct uplink *uplink, const struct uplink_view *view,
                         const struct client *client);

#endif
