/* SPDX-License-Identifier: MIT */
#include "model/site.h"

#include <string.h>

#include "model/document.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct site *site_of(void *into)
{
    return ((struct document *)into)->target;
}

static void read_name(const struct json *json, const struct json_node *value, void *into)
{
    schema_string(json, value, site_of(into)->name, MULLION_NAME_BYTES, "a string, for example \"rack-7\"");
}

static void read_dhcp(const struct json *json, const struct json_node *value, void *into)
{
    if (schema_type(json, value, JSON_BOOLEAN, "true or false")) {
        ((struct site *)into)->dhcp = value->boolean;
    }
}

/* Addresses that no host has: of another network class, or the network's own first and last one. */
static bool is_host(const uint8_t address[4], unsigned prefix)
{
    uint32_t number =
        (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 | address[3];
    uint32_t host = number & (UINT32_MAX >> prefix);
    bool edge = prefix < 31 && (host == 0 || host == UINT32_MAX >> prefix);
    return address[0] != 0 && address[0] != 127 && address[0] < 224 && !edge;
}

static void read_address(const struct json *json, const struct json_node *value, void *into)
{
    struct site *site = into;
    if (!schema_type(json, value, JSON_STRING, "a string, for example \"192.0.2.10/24\"")) {
        return;
    }
    if (!address_read_ipv4_prefix(value->string, site->address, &site->prefix)) {
        json_complain(
            json, value,
            "\"%.40s\" is no address with prefix; wanted four numbers and the network's prefix of 1 "
            "to 30, for example \"192.0.2.10/24\"",
            value->string);
    } else if (!is_host(site->address, site->prefix)) {
        json_complain(json, value, "no host can have the address \"%.40s\"; give one of the site's network",
                      value->string);
    } else {
        site->has_address = true;
    }
}

static void read_gateway(const struct json *json, const struct json_node *value, void *into)
{
    struct site *site = into;
    if (!schema_type(json, value, JSON_STRING, "a string, for example \"192.0.2.1\"")) {
        return;
    }
    site->has_gateway = address_read_ipv4(value->string, site->gateway) && is_host(site->gateway, 31);
    if (!site->has_gateway) {
        json_complain(json, value,
                      "\"%.40s\" is no address of a host; wanted four numbers, for example \"192.0.2.1\"",
                      value->string);
    }
}

static void read_uplink(const struct json *json, const struct json_node *value, void *into)
{
    struct site *site = into;
    if (!schema_type(json, value, JSON_STRING, "a string, for example \"52:54:00:12:34:56\"")) {
        return;
    }
    if (address_read_mac(value->string, site->uplink_mac)) {
        site->uplink = UPLINK_MAC;
    } else if (address_read_pci(value->string, &site->uplink_segment, &site->uplink_bdf)) {
        site->uplink = UPLINK_PCI;
    } else {
        json_complain(json, value,
                      "\"%.40s\" names no port; wanted its MAC address like \"52:54:00:12:34:56\" or its PCI "
                      "address like \"0000:00:03.0\"",
                      value->string);
    }
}

/* Fields that are right by themselves and wrong together. */
static void check_together(const struct json *json, const struct json_node *value, struct site *site)
{
    if (!site->dhcp && !site->has_address) {
        json_complain(json, value,
                      "without DHCP the box needs an address; add \"address\", or set \"dhcp\" to true");
    }
    if (site->has_gateway && !site->has_address) {
        json_complain(json, value,
                      "a gateway belongs to a static address; add \"address\" or remove \"gateway\"");
        site->has_gateway = false;
    }
    for (unsigned bit = 0; site->has_gateway && bit < site->prefix; bit++) {
        if (((site->address[bit / 8] ^ site->gateway[bit / 8]) >> (7 - bit % 8) & 1) != 0) {
            json_complain(json, json_member(value, "gateway"),
                          "the gateway lies outside the address's network /%u; correct one of them",
                          site->prefix);
            site->has_gateway = false;
        }
    }
}

static void read_network(const struct json *json, const struct json_node *value, void *into)
{
    static const struct schema_field fields[] = {
        {"dhcp", false, read_dhcp, NULL},
        {"address", false, read_address, NULL},
        {"gateway", false, read_gateway, NULL},
        {"uplink", false, read_uplink, NULL},
    };
    struct site *site = site_of(into);
    site->dhcp = value->type != JSON_OBJECT || json_member(value, "address") == NULL;
    if (schema_read(json, value, fields, COUNT(fields), site)) {
        check_together(json, value, site);
    }
    site->dhcp = site->dhcp || !site->has_address;
}

void site_default(struct site *site)
{
    *site = (struct site){.dhcp = true};
}

bool site_read(struct json *json, const char *text, size_t bytes, struct site *site,
               struct problem_list *problems)
{
    static const struct schema_field fields[] = {
        {"apiVersion", true, document_read_version, "\"" DOCUMENT_VERSION "\""},
        {"kind", true, document_read_kind_site, "\"Site\""},
        {"name", true, read_name, "a string, for example \"rack-7\""},
        {"network", false, read_network, NULL},
    };
    site_default(site);
    unsigned before = problems->count + problems->dropped;
    const struct json_node *root = json_parse(json, "site", text, bytes, problems);
    struct document document = {.head_ok = true, .target = site};
    return root != NULL && schema_read(json, root, fields, COUNT(fields), &document) &&
           problems->count + problems->dropped == before;
}
