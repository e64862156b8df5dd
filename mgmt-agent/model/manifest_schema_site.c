/* SPDX-License-Identifier: MIT */
/* The document `kind: Site`: how a box is called and reached. */
#include "model/address.h"
#include "model/manifest_formats.h"
#include "model/manifest_schema.h"
#include "model/schema_rows.h"
#include "mullion/abi.h"

static const struct schema_word site_kinds[] = {{"Site", "how a box is called and reached"}, {NULL, NULL}};
static const struct schema_value server_value = FORM(format_server, 63);
static const struct schema_value dns_value = FORM(format_ipv4, 15);

static const struct schema_field management_fields[] = {
    {.name = "dhcp",
     .value = FLAG,
     .example = "false",
     .text = "ask a DHCP server for an address; without this field: unless there is an `address`",
     .since = "0.1",
     .effect = EFFECT_RESTART_BOX},
    {.name = "address",
     .value = FORM(format_ipv4_prefix, 18),
     .example = "\"192.0.2.10/24\"",
     .text = "the box's address; with `\"dhcp\": true` only while no server has answered for 20 seconds",
     .since = "0.1",
     .effect = EFFECT_RESTART_BOX},
    {.name = "gateway",
     .value = FORM(format_ipv4, 15),
     .example = "\"192.0.2.1\"",
     .text = "the way out of the network of `address`",
     .since = "0.1",
     .effect = EFFECT_RESTART_BOX},
    {.name = "uplink",
     .value = FORM(format_port, 17),
     .example = "\"52:54:00:12:34:56\"",
     .text = "the one port of the box that joins the bridge, by MAC address or PCI address; without it the "
             "first port that works",
     .since = "0.1",
     .effect = EFFECT_RESTART_BOX},
    {.name = "vlan",
     .value = WHOLE(1, 4094),
     .example = "10",
     .text = "802.1Q VLAN on the uplink in which the box itself is reached",
     .effect = EFFECT_RESTART_BOX},
    {.name = "dns",
     .value = SET(0, 3, dns_value),
     .otherwise = "[]",
     .example = "[\"192.0.2.1\"]",
     .text = "name servers; with DHCP the server's own are asked, too",
     .effect = EFFECT_RESTART_BOX},
    {.name = "ntp",
     .value = SET(0, 4, server_value),
     .otherwise = "[]",
     .example = "[\"ntp.example.net\"]",
     .text = "time servers",
     .effect = EFFECT_RESTART_BOX},
};

static bool is_outside(const uint8_t address[4], unsigned prefix, const uint8_t other[4])
{
    for (unsigned bit = 0; bit < prefix; bit++) {
        if (((address[bit / 8] ^ other[bit / 8]) >> (7 - bit % 8) & 1) != 0) {
            return true;
        }
    }
    return false;
}

static void check_gateway(struct json *json, const struct json_node *network, const struct json_node *gateway)
{
    const struct json_node *address = json_member(network, "address");
    uint8_t own[4];
    uint8_t other[4];
    unsigned prefix;
    if (address == NULL) {
        json_complain(json, network,
                      "a gateway belongs to a static address; add \"address\" or remove \"gateway\"");
    } else if (address_read_ipv4_prefix(address->string, own, &prefix) &&
               address_read_ipv4(gateway->string, other) && is_outside(own, prefix, other)) {
        json_complain(json, gateway,
                      "the gateway lies outside the address's network /%u; correct one of them", prefix);
    }
}

static void check_management(struct json *json, const struct json_node *network)
{
    const struct json_node *dhcp = json_member(network, "dhcp");
    const struct json_node *gateway = json_member(network, "gateway");
    if (dhcp != NULL && !dhcp->boolean && json_member(network, "address") == NULL) {
        json_complain(json, network,
                      "without DHCP the box needs an address; add \"address\", or set \"dhcp\" to true");
    }
    if (gateway != NULL) {
        check_gateway(json, network, gateway);
    }
}

const struct schema_object schema_management = {"Management", "How the box itself is reached.",
                                                FIELDS(management_fields), check_management};

static const struct schema_field admin_fields[] = {
    {.name = "credentialHash",
     .value = TEXT(16, 255),
     .example = "\"$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo\"",
     .text = "hash of the administrator's password",
     .effect = EFFECT_RESTART_BOX},
    {.name = "clientCa",
     .value = TEXT(1, 4095),
     .example = "\"MIIB...\"",
     .text = "certificate in base64 of the authority whose clients are administrators",
     .effect = EFFECT_RESTART_BOX},
};

const struct schema_object schema_admin = {"Admin", "Who may manage the box, set before its first boot.",
                                           FIELDS(admin_fields), NULL};

#define IDENTITY                                                                                             \
    {.name = "name",                                                                                         \
     .required = true,                                                                                       \
     .value = TEXT(1, MULLION_NAME_BYTES - 1),                                                               \
     .example = "\"rack-7\"",                                                                                \
     .text = "the box's name, shown in the status block. If it consists of `a-z`, `0-9` and `-` it is the "  \
             "host name, too; else that is derived: `mullion-1a2b3c`",                                       \
     .since = "0.1",                                                                                         \
     .effect = EFFECT_RESTART_BOX},                                                                          \
    {                                                                                                        \
        .name = "network", .value = OBJECT(schema_management), .otherwise = "{}",                            \
        .example = "{\"address\": \"192.0.2.10/24\"}", .text = "how the box itself is reached",              \
        .since = "0.1", .effect = EFFECT_RESTART_BOX                                                         \
    }

static const struct schema_field identity_fields[] = {IDENTITY};
const struct schema_object schema_identity = {"Identity", "The fields of a site configuration in a manifest.",
                                              FIELDS(identity_fields), NULL};

static const struct schema_field site_fields[] = {
    {.name = "apiVersion",
     .required = true,
     .value = CHOICE(schema_versions),
     .example = "\"" MANIFEST_VERSION "\"",
     .text = "version of this format",
     .since = "0.1"},
    {.name = "kind",
     .required = true,
     .value = CHOICE(site_kinds),
     .example = "\"Site\"",
     .text = "what the document describes",
     .since = "0.1"},
    IDENTITY,
    {.name = "admin",
     .value = OBJECT(schema_admin),
     .example = "{\"credentialHash\": \"$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo\"}",
     .text = "who may manage the box",
     .effect = EFFECT_RESTART_BOX},
};

const struct schema_object schema_site = {"Site", "How a box is called and reached.", FIELDS(site_fields),
                                          NULL};
