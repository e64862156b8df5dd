/* SPDX-License-Identifier: MIT */
#include "model/network.h"

#include <stdio.h>
#include <string.h>

#define HTTPS_PORT 443u

void machine_net_config(const struct machine *machine, struct net_config *config)
{
    const struct site *site = &machine->site;
    *config = (struct net_config){
        .dhcp = site->dhcp,
        .has_address = site->has_address,
        .has_gateway = site->has_gateway,
        .prefix = (uint8_t)site->prefix,
        .fallback_s = NET_FALLBACK_S,
    };
    memcpy(config->address, site->address, sizeof(config->address));
    memcpy(config->gateway, site->gateway, sizeof(config->gateway));
    identity_host_name(machine->seed, site->name, config->host_name, sizeof(config->host_name));
}

void machine_url(const struct machine *machine, char *text, size_t size)
{
    const struct net_status *net = &machine->net;
    size_t length = strcspn(net->address, "/");
    text[0] = 0;
    if (length > 0 && net->https_port == HTTPS_PORT) {
        snprintf(text, size, "https://%.*s/", (int)length, net->address);
    } else if (length > 0) {
        snprintf(text, size, "https://%.*s:%u/", (int)length, net->address, net->https_port);
    }
}

void machine_net_changed(struct machine *machine, const struct net_status *status)
{
    char before[NET_TEXT_BYTES + 16];
    char after[NET_TEXT_BYTES + 16];
    if (machine->net_known && status->generation == machine->net.generation) {
        return;
    }
    machine_url(machine, before, sizeof(before));
    machine->net = *status;
    machine->net_known = true;
    machine->has_lease = status->source == NET_FROM_DHCP;
    machine_url(machine, after, sizeof(after));
    if (machine->boot_ms != 0 && strcmp(before, after) != 0) {
        machine_announce(machine, "url: %s", after[0] != 0 ? after : "none: the box has no address now");
    }
}
