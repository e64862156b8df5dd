/* SPDX-License-Identifier: MIT */
#include "model/manifest_links.h"

#include <inttypes.h>
#include <string.h>

#include "model/schema.h"

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define MULTICAST 1u

/* ---- nics of a partition
 * ----------------------------------------------------------------------------------------- */

static void read_network(const struct json *json, const struct json_node *value, void *into)
{
    static const char *const words[] = {"uplink", NULL};
    (void)into;
    schema_choice(json, value, words);
}

static void read_mac(const struct json *json, const struct json_node *value, void *into)
{
    struct nic_spec *nic = into;
    static const uint8_t none[ADDRESS_MAC_BYTES];
    if (!schema_type(json, value, JSON_STRING, "a string, for example \"02:00:00:00:00:01\"")) {
        return;
    }
    nic->has_mac = address_read_mac(value->string, nic->mac) && (nic->mac[0] & MULTICAST) == 0 &&
                   memcmp(nic->mac, none, sizeof(none)) != 0;
    if (!nic->has_mac) {
        json_complain(
            json, value,
            "\"%.40s\" is no MAC address of a single port; wanted one like \"02:00:00:00:00:01\", or "
            "remove it: then it is derived",
            value->string);
    }
}

void manifest_read_nics(const struct json *json, const struct json_node *value, void *into)
{
    static const struct schema_field fields[] = {
        {"network", true, read_network, "\"uplink\""},
        {"mac", false, read_mac, NULL},
    };
    struct partition_spec *spec = into;
    spec->nics_node = value;
    if (!schema_type(json, value, JSON_ARRAY, "a list like [{\"network\": \"uplink\"}]")) {
        return;
    }
    if (value->child_count > MANIFEST_MAX_NICS) {
        json_complain(json, value, "%" PRIu32 " nics; a partition has at most %u; remove some",
                      value->child_count, MANIFEST_MAX_NICS);
        return;
    }
    for (const struct json_node *at = value->child; at != NULL; at = at->next) {
        struct nic_spec *nic = &spec->nics[spec->nic_count++];
        *nic = (struct nic_spec){.has_mac = false};
        schema_read(json, at, fields, COUNT(fields), nic);
    }
}

/* The first nic with this MAC address; complains if it is not this one. */
static void mac_check(struct manifest *manifest, const struct json *json, struct partition_spec *spec,
                      uint32_t index)
{
    const struct json_node *node = spec->nics_node->child;
    for (uint32_t i = 0; i < index; i++) {
        node = node->next;
    }
    for (struct partition_spec *other = manifest->partitions; other <= spec; other++) {
        uint32_t count = other == spec ? index : other->nic_count;
        for (uint32_t i = 0; i < count; i++) {
            if (other->nics[i].has_mac &&
                memcmp(other->nics[i].mac, spec->nics[index].mac, ADDRESS_MAC_BYTES) == 0) {
                json_complain(
                    json, json_member(node, "mac"),
                    "partition \"%s\" has a nic with this MAC address already; give this one another",
                    other->name);
                spec->valid = false;
                return;
            }
        }
    }
}

void manifest_macs_check(struct manifest *manifest, const struct json *json)
{
    unsigned jacks = 0;
    for (unsigned i = 0; i < manifest->count; i++) {
        struct partition_spec *spec = &manifest->partitions[i];
        for (uint32_t n = 0; n < spec->nic_count; n++) {
            if (spec->nics[n].has_mac) {
                mac_check(manifest, json, spec, n);
            }
        }
        jacks += spec->nic_count;
        if (spec->nic_count > 0 && jacks > MANIFEST_MAX_JACKS) {
            json_complain(json, spec->nics_node,
                          "the partitions up to this one have %u nics; a box has at most %u; remove some",
                          jacks, MANIFEST_MAX_JACKS);
            spec->valid = false;
        }
    }
}

/* ---- links
 * ------------------------------------------------------------------------------------------------------- */

/* A link while it is read. */
struct reading {
    struct manifest *manifest;
    struct link_spec link;
};

static void read_kind(const struct json *json, const struct json_node *value, void *into)
{
    static const char *const words[] = {"net", "console", NULL};
    struct reading *reading = into;
    reading->link.kind = schema_choice(json, value, words) == 1 ? MULLION_PORT_CONSOLE : MULLION_PORT_NET;
}

static unsigned ends_at(const struct manifest *manifest, unsigned partition)
{
    unsigned count = 0;
    for (unsigned i = 0; i < manifest->link_count; i++) {
        count += manifest->links[i].ends[0] == partition || manifest->links[i].ends[1] == partition ? 1 : 0;
    }
    return count;
}

static void read_end(const struct json *json, const struct json_node *value, struct reading *reading)
{
    const struct manifest *manifest = reading->manifest;
    unsigned *end = &reading->link.ends[value->index];
    *end = manifest->count;
    if (!schema_type(json, value, JSON_STRING, "a partition's name, for example \"alpha\"")) {
        return;
    }
    for (*end = 0; *end < manifest->count; ++*end) {
        if (strcmp(manifest->partitions[*end].name, value->string) == 0) {
            break;
        }
    }
    if (*end == manifest->count || value->string[0] == 0) {
        json_complain(json, value, "there is no partition \"%.40s\"; name one of this manifest",
                      value->string);
    } else if (ends_at(manifest, *end) >= MANIFEST_MAX_ENDS) {
        json_complain(json, value, "partition \"%s\" has %u links already; that is the most; remove some",
                      value->string, MANIFEST_MAX_ENDS);
    }
}

static void read_between(const struct json *json, const struct json_node *value, void *into)
{
    struct reading *reading = into;
    if (!schema_type(json, value, JSON_ARRAY, "the names of two partitions like [\"alpha\", \"beta\"]")) {
        return;
    }
    if (value->child_count != 2) {
        json_complain(json, value, "a link joins two partitions; this list has %" PRIu32 "; name two",
                      value->child_count);
        return;
    }
    read_end(json, value->child, reading);
    read_end(json, value->child->next, reading);
    if (reading->link.ends[0] == reading->link.ends[1] && reading->link.ends[0] < reading->manifest->count) {
        json_complain(json, value,
                      "both ends are partition \"%s\"; a link joins two different ones; name another",
                      reading->manifest->partitions[reading->link.ends[0]].name);
    }
}

void manifest_links_read(struct manifest *manifest, const struct json *json, const struct json_node *links)
{
    static const struct schema_field fields[] = {
        {"kind", true, read_kind, "\"net\" or \"console\""},
        {"between", true, read_between, "the names of two partitions like [\"alpha\", \"beta\"]"},
    };
    if (links == NULL || links->type != JSON_ARRAY) {
        return;
    }
    if (links->child_count > MANIFEST_MAX_LINKS) {
        json_complain(json, links, "%" PRIu32 " links; a machine has at most %u; the rest is ignored",
                      links->child_count, MANIFEST_MAX_LINKS);
    }
    for (const struct json_node *at = links->child; at != NULL && at->index < MANIFEST_MAX_LINKS;
         at = at->next) {
        struct reading reading = {.manifest = manifest};
        if (schema_read(json, at, fields, COUNT(fields), &reading)) {
            manifest->links[manifest->link_count++] = reading.link;
        }
    }
}
