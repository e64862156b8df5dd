/* SPDX-License-Identifier: MIT */
#include "driver/uplink.h"

#include <stdio.h>
#include <string.h>

#define CLASS_NETWORK 0x02u
#define LEASE_MS      20000u /* so long may a port take to lead to a lease */

static bool is_port(const struct rpc_nic *nic)
{
    return nic->slot != 0;
}

static const struct rpc_nic *find(const struct client *client, const uint8_t mac[ADDRESS_MAC_BYTES])
{
    for (uint32_t i = 0; i < client->nics_read; i++) {
        if (is_port(&client->nics[i]) && memcmp(client->nics[i].mac, mac, ADDRESS_MAC_BYTES) == 0) {
            return &client->nics[i];
        }
    }
    return NULL;
}

static const struct rpc_nic *in_slot(const struct client *client, uint32_t slot)
{
    for (uint32_t i = 0; i < client->nics_read; i++) {
        if (slot != 0 && client->nics[i].slot == slot) {
            return &client->nics[i];
        }
    }
    return NULL;
}

/* The next port with carrier after this one, round the list; itself if it is the only one. */
static const struct rpc_nic *next_with_carrier(const struct client *client, const struct rpc_nic *after)
{
    uint32_t start = after != NULL ? (uint32_t)(after - client->nics) + 1 : 0;
    for (uint32_t i = 0; i < client->nics_read; i++) {
        const struct rpc_nic *nic = &client->nics[(start + i) % client->nics_read];
        if (is_port(nic) && nic->carrier != 0) {
            return nic;
        }
    }
    return NULL;
}

static unsigned carriers(const struct client *client)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < client->nics_read; i++) {
        count += is_port(&client->nics[i]) && client->nics[i].carrier != 0 ? 1 : 0;
    }
    return count;
}

/* A port that an agent before this one has chosen. */
static const struct rpc_nic *bridged(const struct client *client)
{
    for (uint32_t i = 0; i < client->nics_read; i++) {
        if (is_port(&client->nics[i]) && client->nics[i].in_bridge != 0 && client->nics[i].carrier != 0) {
            return &client->nics[i];
        }
    }
    return NULL;
}

static const struct rpc_nic *choose(struct uplink *uplink, const struct rpc_nic *nic, uint64_t now_ms)
{
    if (nic != NULL && (!uplink->chosen || memcmp(uplink->mac, nic->mac, sizeof(uplink->mac)) != 0)) {
        uplink->chosen = true;
        uplink->since_ms = now_ms;
        memcpy(uplink->mac, nic->mac, sizeof(uplink->mac));
    }
    return nic;
}

/* Whether nothing but a lease could be better: a static address is good on the first port once all were
 * tried. */
static bool is_settled(const struct uplink *uplink, const struct uplink_view *view,
                       const struct client *client)
{
    return !view->site->dhcp || view->site->is_closed || view->has_lease || !uplink->chosen ||
           (view->site->has_address && uplink->tried >= carriers(client));
}

/* Whether the port at hand has had its chance. */
static bool is_futile(const struct uplink *uplink, const struct uplink_view *view,
                      const struct client *client)
{
    return !is_settled(uplink, view, client) && view->now_ms - uplink->since_ms >= LEASE_MS;
}

static const struct rpc_nic *choose_any(struct uplink *uplink, const struct uplink_view *view,
                                        const struct client *client)
{
    const struct rpc_nic *now = uplink->chosen ? find(client, uplink->mac) : bridged(client);
    const struct rpc_nic *next = next_with_carrier(client, now);
    if (now != NULL && (now->carrier != 0 || next == NULL) && !is_futile(uplink, view, client)) {
        return choose(uplink, now, view->now_ms);
    }
    uplink->tried += uplink->chosen ? 1 : 0;
    uplink->since_ms = view->now_ms;
    return choose(uplink, next, view->now_ms);
}

const struct rpc_nic *uplink_choose(struct uplink *uplink, const struct uplink_view *view,
                                    const struct client *client)
{
    switch (view->site->uplink) {
    case UPLINK_MAC:
        return find(client, view->site->uplink_mac);
    case UPLINK_PCI:
        return in_slot(client, view->slot);
    case UPLINK_ANY:
        break;
    }
    return choose_any(uplink, view, client);
}

static const char *name_of(const struct site *site, char text[ADDRESS_MAC_TEXT])
{
    if (site->uplink == UPLINK_MAC) {
        address_write_mac(site->uplink_mac, text);
    } else {
        address_write_pci(site->uplink_segment, site->uplink_bdf, text);
    }
    return text;
}

/* A function of the network class that nothing drives: why the box may have no port. */
static const struct rpc_function *undriven(const struct client *client)
{
    for (uint32_t i = 0; i < client->functions_read; i++) {
        const struct rpc_function *function = &client->functions[i];
        if (function->slot != 0 && function->class_code >> 16 == CLASS_NETWORK && function->driver[0] == 0) {
            return function;
        }
    }
    return NULL;
}

void uplink_problem(const struct uplink_view *view, const struct client *client, const struct rpc_nic *nic,
                    char text[PROBLEM_BYTES])
{
    char name[ADDRESS_MAC_TEXT];
    const struct rpc_function *function = undriven(client);
    text[0] = 0;
    if (client->uplink_refused) {
        snprintf(text, PROBLEM_BYTES,
                 "uplink: the driver VM could not put the port into the bridge: the box cannot be reached: "
                 "look at its "
                 "console by `attach driver`, report this as a defect");
    } else if (nic == NULL && view->site->uplink != UPLINK_ANY) {
        snprintf(text, PROBLEM_BYTES,
                 "uplink: no network port is %s, which the site configuration names: see `pci` and "
                 "/api/v1/hardware: "
                 "correct it, or remove \"uplink\"",
                 name_of(view->site, name));
    } else if (nic == NULL && client->nic_count == 0 && function != NULL) {
        snprintf(text, PROBLEM_BYTES,
                 "uplink: the network function %04x:%04x has no driver: %.100s: use another network card",
                 function->vendor, function->device,
                 function->reason[0] != 0 ? function->reason : "not supported");
    } else if (client->nic_count == 0) {
        snprintf(text, PROBLEM_BYTES,
                 "uplink: the driver VM has no network port: the box cannot be reached: add a network card "
                 "with MSI-X, "
                 "see `pci` for those that are there");
    } else if (nic == NULL || nic->carrier == 0) {
        snprintf(text, PROBLEM_BYTES,
                 "uplink: %s: the box cannot be reached: plug in a cable, check the switch",
                 nic == NULL ? "no network port has a link" : "the network port has no link");
    }
}

uint64_t uplink_deadline(const struct uplink *uplink, const struct uplink_view *view,
                         const struct client *client)
{
    bool looking =
        view->site->uplink == UPLINK_ANY && client_has_listed(client) && !is_settled(uplink, view, client);
    return looking ? uplink->since_ms + LEASE_MS : UINT64_MAX;
}
