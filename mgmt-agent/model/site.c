/* SPDX-License-Identifier: MIT */
#include "model/site.h"

#include <string.h>

#include "model/manifest.h"
#include "model/manifest_later.h"
#include "model/manifest_schema.h"

static void take_uplink(struct site *site, const struct json_node *uplink)
{
    if (uplink == NULL) {
        return;
    }
    if (address_read_mac(uplink->string, site->uplink_mac)) {
        site->uplink = UPLINK_MAC;
    } else if (address_read_pci(uplink->string, &site->uplink_segment, &site->uplink_bdf)) {
        site->uplink = UPLINK_PCI;
    }
}

/* Whether a field that keeps the box off some network has an error, or may be hidden under another name. */
static bool is_closed(const struct json_node *network)
{
    static const char *const keeping[] = {"uplink", "vlan"};
    for (unsigned i = 0; i < sizeof(keeping) / sizeof(keeping[0]); i++) {
        const struct json_node *member = json_member(network, keeping[i]);
        if (member != NULL && member->faulty) {
            return true;
        }
    }
    return !schema_names_are_known(&schema_management, network);
}

static void take_network(struct site *site, const struct json_node *network)
{
    const struct json_node *dhcp = schema_get(network, "dhcp");
    const struct json_node *address = schema_get(network, "address");
    const struct json_node *gateway = schema_get(network, "gateway");
    site->has_address =
        address != NULL && address_read_ipv4_prefix(address->string, site->address, &site->prefix);
    site->has_gateway =
        site->has_address && gateway != NULL && address_read_ipv4(gateway->string, site->gateway);
    site->dhcp = dhcp != NULL ? dhcp->boolean || !site->has_address : !site->has_address;
    take_uplink(site, schema_get(network, "uplink"));
}

void site_default(struct site *site)
{
    *site = (struct site){.dhcp = true};
}

bool site_take(struct site *site, struct json *json, const struct json_node *root)
{
    site_default(site);
    if (root == NULL || !manifest_head_check(json, root, &schema_site)) {
        return false;
    }
    schema_check(json, root, &schema_site);
    manifest_later_check(json, root, &schema_site);
    const struct json_node *network = json_member(root, "network");
    schema_text(root, "name", site->name, sizeof(site->name));
    if (network != NULL && network->type == JSON_OBJECT) {
        take_network(site, network);
    }
    site->is_closed = network != NULL && (network->type != JSON_OBJECT || is_closed(network));
    return !root->faulty;
}

bool site_read(struct json *json, const char *text, size_t bytes, struct site *site,
               struct problem_list *problems)
{
    return site_take(site, json, json_parse(json, "site", text, bytes, problems));
}
