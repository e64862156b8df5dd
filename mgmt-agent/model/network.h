/* SPDX-License-Identifier: MIT */
/* The agent's own network, between site configuration and net/: neither knows the other. */
#ifndef MODEL_NETWORK_H
#define MODEL_NETWORK_H

#include "model/machine.h"

/** What net_start() is to be told. */
void machine_net_config(const struct machine *machine, struct net_config *config);

/** Takes note of the network's status; cheap if nothing has changed. A new address is announced. */
void machine_net_changed(struct machine *machine, const struct net_status *status);

/** Writes "https://ADDRESS/", or an empty text without an address. */
void machine_url(const struct machine *machine, char *text, size_t size);

#endif
