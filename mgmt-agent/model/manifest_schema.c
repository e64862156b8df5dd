/* SPDX-License-Identifier: MIT */
/* The document `kind: Machine`. Its partitions stand in manifest_schema_partition.c. */
#include "model/manifest_schema.h"

#include <string.h>

#include "model/manifest.h"
#include "model/manifest_formats.h"
#include "model/schema_rows.h"

#define VLAN_MAX 4094

const struct schema_word schema_versions[] = {{MANIFEST_VERSION, "the one there is"}, {NULL, NULL}};

static const struct schema_word machine_kinds[] = {{"Machine", "what a box is divided into"}, {NULL, NULL}};

/* ---- images -----------------------------------------------------------------------------------------------
 */

static const struct schema_field image_fields[] = {
    {.name = "name",
     .required = true,
     .value = FORM(format_image, MANIFEST_IMAGE_BYTES - 1),
     .example = "\"vmlinux\"",
     .text = "the file's name in `images/`, as `boot` of a partition names it",
     .since = "0.1",
     .effect = EFFECT_RESTART_PARTITION},
    {.name = "sha256",
     .required = true,
     .value = FORM(format_sha256, 64),
     .example = "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
     .text = "what the file must be; with other contents no partition starts from it",
     .since = "0.1",
     .effect = EFFECT_RESTART_PARTITION},
};

const struct schema_object schema_image = {"Image", "A kernel or an initramfs whose contents are fixed.",
                                           FIELDS(image_fields), NULL};

/* ---- networks ---------------------------------------------------------------------------------------------
 */

static const struct schema_word network_types[] = {
    {"bridge", "joined with a port of the box, as a switch would"},
    {"internal", "between partitions only"},
    {"routed", "the box forwards between it and the uplink"},
    {"nat", "as `routed`, and the partitions appear with the box's address"},
    {NULL, NULL},
};

static const struct schema_field network_fields[] = {
    {.name = "name",
     .required = true,
     .value = FORM(format_name, MULLION_NAME_BYTES - 1),
     .example = "\"lab\"",
     .text = "unique; `nics` name it. `uplink` is taken: it is the bridge that the box's own port joins",
     .effect = EFFECT_LIVE},
    {.name = "type",
     .required = true,
     .value = CHOICE(network_types),
     .example = "\"bridge\"",
     .text = "what it is joined with",
     .effect = EFFECT_LIVE},
    {.name = "uplink",
     .value = FORM(format_port, 17),
     .example = "\"52:54:00:12:34:56\"",
     .text = "the port of the box that a bridge joins: its MAC address or PCI address",
     .effect = EFFECT_LIVE},
    {.name = "vlan",
     .value = WHOLE(1, VLAN_MAX),
     .example = "20",
     .text = "802.1Q tag that the bridge's frames have on the uplink",
     .effect = EFFECT_LIVE},
    {.name = "address",
     .value = FORM(format_ipv4_prefix, 18),
     .example = "\"192.168.20.1/24\"",
     .text = "the box's own address in a routed or NAT network: the partitions' gateway",
     .effect = EFFECT_LIVE},
};

static void check_network(struct json *json, const struct json_node *network)
{
    const char *type = json_member(network, "type")->string;
    bool outside = strcmp(type, "routed") == 0 || strcmp(type, "nat") == 0;
    bool bridge = strcmp(type, "bridge") == 0;
    if (bridge != (json_member(network, "uplink") != NULL)) {
        json_complain(json, network, "a network of type \"%s\" %s; %s \"uplink\"", type,
                      bridge ? "joins a port of the box" : "joins no port of the box",
                      bridge ? "add" : "remove");
    }
    if (outside != (json_member(network, "address") != NULL)) {
        json_complain(json, network, "in a network of type \"%s\" the box has %s; %s \"address\"", type,
                      outside ? "an address, the partitions' gateway" : "no address",
                      outside ? "add" : "remove");
    }
}

const struct schema_object schema_network = {"Network",
                                             "What network ports of partitions lead to, besides `uplink`.",
                                             FIELDS(network_fields), check_network};

/* ---- links ------------------------------------------------------------------------------------------------
 */

static const struct schema_word link_kinds[] = {
    {"net", "two virtio-net cards, as if joined by a cable"},
    {"console", "two virtio consoles: a channel of bytes"},
    {NULL, NULL},
};

static const struct schema_value link_end = FORM(format_name, MULLION_NAME_BYTES - 1);

static const struct schema_field link_fields[] = {
    {.name = "kind",
     .required = true,
     .value = CHOICE(link_kinds),
     .example = "\"net\"",
     .text = "what its ends are",
     .since = "0.1",
     .effect = EFFECT_LIVE},
    {.name = "between",
     .required = true,
     .value = LIST(2, 2, link_end),
     .example = "[\"alpha\", \"beta\"]",
     .text = "the names of two partitions, its ends; a partition has at most 16 of them",
     .since = "0.1",
     .effect = EFFECT_LIVE},
};

const struct schema_object schema_link = {"Link", "A direct connection of two partitions.",
                                          FIELDS(link_fields), NULL};

/* ---- one file for a rack ----------------------------------------------------------------------------------
 */

static const struct schema_field match_fields[] = {
    {.name = "uuid",
     .value = FORM(format_uuid, 36),
     .example = "\"564d1a2b-0000-1111-2222-333344445555\"",
     .text = "the box's UUID (SMBIOS type 1)",
     .since = "0.1",
     .effect = EFFECT_RESTART_BOX},
    {.name = "serial",
     .value = TEXT(1, 63),
     .example = "\"CZJ12345\"",
     .text = "the box's serial number (SMBIOS type 1)",
     .effect = EFFECT_RESTART_BOX},
    {.name = "mac",
     .value = FORM(format_mac, 17),
     .example = "\"52:54:00:12:34:56\"",
     .text = "the MAC address of one of the box's ports",
     .effect = EFFECT_RESTART_BOX},
};

static void check_match(struct json *json, const struct json_node *match)
{
    if (match->child_count == 0) {
        json_complain(json, match, "this fits every box; wanted \"uuid\", \"serial\" or \"mac\"; add one");
    }
}

const struct schema_object schema_match = {"Match", "Which box is meant; all that is given must fit.",
                                           FIELDS(match_fields), check_match};

static const struct schema_value image_value = OBJECT(schema_image);
static const struct schema_value network_value = OBJECT(schema_network);
static const struct schema_value partition_value = OBJECT(schema_partition);
static const struct schema_value link_value = OBJECT(schema_link);
static const struct schema_value selection_value = OBJECT(schema_selection);

#define EXAMPLE_IMAGES                                                                                       \
    "[{\"name\": \"vmlinux\", \"sha256\": "                                                                  \
    "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}]"
#define EXAMPLE_NETWORKS "[{\"name\": \"lab\", \"type\": \"internal\"}]"
#define EXAMPLE_PARTITIONS                                                                                   \
    "[{\"name\": \"alpha\", \"cpus\": 1, \"memory\": \"256MiB\", \"boot\": {\"kernel\": \"vmlinux\"}}]"
#define EXAMPLE_LINKS "[{\"kind\": \"net\", \"between\": [\"alpha\", \"beta\"]}]"
#define EXAMPLE_SITE  "{\"name\": \"rack-7\"}"

/* What a document says for all boxes, and a selection for one. */
#define BODY(partitions_required)                                                                            \
    {.name = "site",                                                                                         \
     .value = OBJECT(schema_identity),                                                                       \
     .example = EXAMPLE_SITE,                                                                                \
     .text = "the box's name and how it is reached, instead of the file `site.json`",                        \
     .effect = EFFECT_RESTART_BOX},                                                                          \
        {.name = "images",                                                                                   \
         .value = LIST(0, 64, image_value),                                                                  \
         .otherwise = "[]",                                                                                  \
         .example = EXAMPLE_IMAGES,                                                                          \
         .text = "files in `images/` whose contents are fixed",                                              \
         .since = "0.1",                                                                                     \
         .effect = EFFECT_RESTART_PARTITION},                                                                \
        {.name = "networks",                                                                                 \
         .value = LIST(0, 32, network_value),                                                                \
         .otherwise = "[]",                                                                                  \
         .example = EXAMPLE_NETWORKS,                                                                        \
         .text = "networks besides `uplink`",                                                                \
         .effect = EFFECT_LIVE},                                                                             \
        {.name = "partitions",                                                                               \
         .required = (partitions_required),                                                                  \
         .value = LIST(0, MANIFEST_MAX_PARTITIONS, partition_value),                                         \
         .example = EXAMPLE_PARTITIONS,                                                                      \
         .text = "what the box is divided into; `[]` is valid: it starts none",                              \
         .since = "0.1",                                                                                     \
         .effect = EFFECT_LIVE},                                                                             \
    {                                                                                                        \
        .name = "links", .value = LIST(0, MANIFEST_MAX_LINKS, link_value), .otherwise = "[]",                \
        .example = EXAMPLE_LINKS, .text = "direct connections between two partitions", .since = "0.1",       \
        .effect = EFFECT_LIVE                                                                                \
    }

static const struct schema_field selection_fields[] = {
    {.name = "match",
     .required = true,
     .value = OBJECT(schema_match),
     .example = "{\"uuid\": \"564d1a2b-0000-1111-2222-333344445555\"}",
     .text = "the box that this is for",
     .since = "0.1",
     .effect = EFFECT_RESTART_BOX},
    BODY(false),
};

const struct schema_object schema_selection = {
    "Selection",
    "What one box of a rack has. Each field replaces the document's field of the same name; the first "
    "selection that fits counts.",
    FIELDS(selection_fields), NULL};

static const struct schema_field machine_fields[] = {
    {.name = "apiVersion",
     .required = true,
     .value = CHOICE(schema_versions),
     .example = "\"" MANIFEST_VERSION "\"",
     .text = "version of this format",
     .since = "0.1"},
    {.name = "kind",
     .required = true,
     .value = CHOICE(machine_kinds),
     .example = "\"Machine\"",
     .text = "what the document describes",
     .since = "0.1"},
    BODY(true),
    {.name = "machines",
     .value = LIST(0, MANIFEST_MAX_MACHINES, selection_value),
     .otherwise = "[]",
     .example = "[{\"match\": {\"uuid\": \"564d1a2b-0000-1111-2222-333344445555\"}, \"partitions\": []}]",
     .text = "one file for a rack: what is different on single boxes",
     .since = "0.1",
     .effect = EFFECT_RESTART_BOX},
};

const struct schema_object schema_machine = {"Machine", "The partitions of a box and what joins them.",
                                             FIELDS(machine_fields), NULL};
