/* SPDX-License-Identifier: MIT */
#include "model/manifest_references.h"

#include <inttypes.h>
#include <string.h>

#include "model/manifest.h"
#include "model/manifest_schema.h"
#include "model/manifest_slots.h"
#include "model/schema_near.h"

/* The lists of one box's manifest; an empty one where there is none. */
struct lists {
    const struct json_node *partitions, *links, *networks, *images;
};

#define LIST_MAX 64u /* more than this the schema has refused: to look through them would take long */

static const struct json_node empty = {.type = JSON_ARRAY};
static const struct json_node unreadable = {.type = JSON_ARRAY, .faulty = true};

static const struct json_node *list_of(const struct json_node *body, const struct json_node *otherwise,
                                       const char *name)
{
    const struct json_node *list = json_member(body, name);
    if (list == NULL && otherwise != NULL) {
        list = json_member(otherwise, name);
    }
    if (list == NULL) {
        return &empty;
    }
    return list->type == JSON_ARRAY && list->child_count <= LIST_MAX ? list : &unreadable;
}

/* A text of an object that the schema has not refused; NULL if there is none. */
static const struct json_node *text_of(const struct json_node *object, const char *name)
{
    const struct json_node *member = object->type == JSON_OBJECT ? schema_get(object, name) : NULL;
    return member != NULL && member->type == JSON_STRING ? member : NULL;
}

/* The first element of the list with this name, up to `end`. */
static const struct json_node *find(const struct json_node *list, const char *name,
                                    const struct json_node *end)
{
    for (const struct json_node *at = list->child; at != NULL && at != end; at = at->next) {
        const struct json_node *found = text_of(at, "name");
        if (found != NULL && strcmp(found->string, name) == 0) {
            return at;
        }
    }
    return NULL;
}

/* Whether all names of a list are known: else nobody can say that one is missing. */
static bool is_complete(const struct json_node *list)
{
    for (const struct json_node *at = list->child; at != NULL; at = at->next) {
        if (text_of(at, "name") == NULL) {
            return false;
        }
    }
    return list != &unreadable;
}

static void check_names(struct json *json, const struct json_node *list, const char *what)
{
    for (const struct json_node *at = list->child; at != NULL; at = at->next) {
        const struct json_node *name = text_of(at, "name");
        const struct json_node *first = name != NULL ? find(list, name->string, at) : NULL;
        if (first != NULL) {
            json_complain(json, name, "%s %" PRIu32 " has the name \"%.40s\" too; give this one another name",
                          what, first->index + 1, name->string);
        }
    }
}

/* Names that the agent gives to its own parts. */
static void check_taken(struct json *json, const struct json_node *partitions)
{
    static const char *const taken[] = {"agent", "driver"};
    for (unsigned i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        const struct json_node *partition = find(partitions, taken[i], NULL);
        if (partition != NULL) {
            json_complain(json, json_member(partition, "name"),
                          "the name \"%s\" belongs to a part of Mullion; give the partition another name",
                          taken[i]);
        }
    }
}

/* Complains that there is no such thing; `other` is known besides the list (NULL: nothing). */
static void complain_missing(struct json *json, const struct json_node *name, const char *what,
                             const struct json_node *list, const char *other)
{
    char hint[SCHEMA_NEAR_BYTES];
    struct schema_near near = {.word = name->string};
    if (!is_complete(list)) {
        return;
    }
    if (other != NULL) {
        schema_near_try(&near, other);
    }
    for (const struct json_node *at = list->child; at != NULL; at = at->next) {
        const struct json_node *known = text_of(at, "name");
        if (known != NULL) {
            schema_near_try(&near, known->string);
        }
    }
    json_complain(json, name, "there is no %s \"%.40s\"%s name one of this manifest", what, name->string,
                  schema_near_hint(&near, hint, ";"));
}

/* ---- partitions -------------------------------------------------------------------------------------------
 */

static void check_image(struct json *json, const struct json_node *boot, const char *field,
                        const struct lists *lists)
{
    const struct json_node *name = boot != NULL ? text_of(boot, field) : NULL;
    if (name != NULL && lists->images->child != NULL && find(lists->images, name->string, NULL) == NULL) {
        complain_missing(json, name, "image", lists->images, NULL);
    }
}

static bool has_mac(const struct json_node *nic, const char *mac)
{
    const struct json_node *other = text_of(nic, "mac");
    uint8_t a[ADDRESS_MAC_BYTES];
    uint8_t b[ADDRESS_MAC_BYTES];
    return other != NULL && address_read_mac(mac, a) && address_read_mac(other->string, b) &&
           memcmp(a, b, sizeof(a)) == 0;
}

static const struct json_node *nics_of(const struct json_node *partition)
{
    const struct json_node *nics = partition->type == JSON_OBJECT ? json_member(partition, "nics") : NULL;
    return nics != NULL && nics->type == JSON_ARRAY && nics->child_count <= MANIFEST_MAX_NICS ? nics : &empty;
}

/* The partition that has a port with this MAC address, before `end`. */
static const struct json_node *find_mac(const struct lists *lists, const char *mac,
                                        const struct json_node *end)
{
    for (const struct json_node *at = lists->partitions->child; at != NULL; at = at->next) {
        for (const struct json_node *nic = nics_of(at)->child; nic != NULL; nic = nic->next) {
            if (nic == end) {
                return NULL;
            }
            if (has_mac(nic, mac)) {
                return at;
            }
        }
    }
    return NULL;
}

static void check_nics(struct json *json, const struct json_node *partition, const struct lists *lists)
{
    for (const struct json_node *nic = nics_of(partition)->child; nic != NULL; nic = nic->next) {
        const struct json_node *mac = text_of(nic, "mac");
        const struct json_node *owner = mac != NULL ? find_mac(lists, mac->string, nic) : NULL;
        if (owner != NULL) {
            const struct json_node *name = text_of(owner, "name");
            json_complain(json, mac,
                          "partition \"%s\" has a nic with this MAC address already; give this one another",
                          name != NULL ? name->string : "?");
        }
    }
}

static void check_network(struct json *json, const struct json_node *nic, const struct lists *lists)
{
    const struct json_node *network = text_of(nic, "network");
    if (network != NULL && strcmp(network->string, MANIFEST_UPLINK) != 0 &&
        find(lists->networks, network->string, NULL) == NULL) {
        complain_missing(json, network, "network", lists->networks, MANIFEST_UPLINK);
    }
}

static void check_after(struct json *json, const struct json_node *partition, const struct lists *lists)
{
    const struct json_node *after = json_member(partition, "after");
    const struct json_node *at = after != NULL && after->type == JSON_ARRAY ? after->child : NULL;
    for (; at != NULL; at = at->next) {
        if (at->type == JSON_STRING && !at->faulty && find(lists->partitions, at->string, NULL) == NULL) {
            complain_missing(json, at, "partition", lists->partitions, NULL);
        }
    }
}

/* Names of images and networks, of which a selection may have its own. */
static void check_names_used(struct json *json, const struct json_node *partition, const struct lists *lists)
{
    const struct json_node *boot = json_member(partition, "boot");
    boot = boot != NULL && boot->type == JSON_OBJECT ? boot : NULL;
    check_image(json, boot, "kernel", lists);
    check_image(json, boot, "initramfs", lists);
    for (const struct json_node *nic = nics_of(partition)->child; nic != NULL; nic = nic->next) {
        check_network(json, nic, lists);
    }
}

static void check_jacks(struct json *json, const struct lists *lists)
{
    uint32_t jacks = 0;
    for (const struct json_node *at = lists->partitions->child; at != NULL; at = at->next) {
        const struct json_node *nics = nics_of(at);
        jacks += nics->child_count;
        if (nics->child_count > 0 && jacks > MANIFEST_MAX_JACKS && !nics->faulty) {
            json_complain(json, nics,
                          "the partitions up to this one have %" PRIu32
                          " nics; a box has at most %u; remove some",
                          jacks, MANIFEST_MAX_JACKS);
        }
    }
}

/* ---- `after` in a ring ------------------------------------------------------------------------------------
 */

/* Which partitions wait for which, by index. */
struct order {
    uint64_t waits_for[MANIFEST_MAX_PARTITIONS];
    uint64_t settled;
};

static void order_read(struct order *order, const struct lists *lists)
{
    for (const struct json_node *at = lists->partitions->child;
         at != NULL && at->index < MANIFEST_MAX_PARTITIONS; at = at->next) {
        const struct json_node *after = at->type == JSON_OBJECT ? json_member(at, "after") : NULL;
        for (const struct json_node *name = after != NULL ? after->child : NULL; name != NULL;
             name = name->next) {
            const struct json_node *other =
                name->type == JSON_STRING ? find(lists->partitions, name->string, NULL) : NULL;
            if (other != NULL && other->index < MANIFEST_MAX_PARTITIONS) {
                order->waits_for[at->index] |= UINT64_C(1) << other->index;
            }
        }
    }
}

/* Those that wait for nobody who is not settled are settled, until nothing changes; the rest stands in rings
 * or behind them. */
static void check_order(struct json *json, const struct lists *lists)
{
    struct order order = {{0}, 0};
    bool changed = true;
    order_read(&order, lists);
    while (changed) {
        changed = false;
        for (unsigned i = 0; i < MANIFEST_MAX_PARTITIONS; i++) {
            bool ready = (order.waits_for[i] & ~order.settled) == 0;
            changed = changed || (ready && (order.settled >> i & 1) == 0);
            order.settled |= (uint64_t)ready << i;
        }
    }
    for (const struct json_node *at = lists->partitions->child;
         at != NULL && at->index < MANIFEST_MAX_PARTITIONS; at = at->next) {
        const struct json_node *after = at->type == JSON_OBJECT ? schema_get(at, "after") : NULL;
        if (after != NULL && (order.settled >> at->index & 1) == 0) {
            json_complain(json, after,
                          "this partition waits in the end for itself, so it never starts; remove one of the "
                          "names that lead back to it");
        }
    }
}

/* ---- links ------------------------------------------------------------------------------------------------
 */

static bool joins(const struct json_node *link, const char *name)
{
    const struct json_node *between = link->type == JSON_OBJECT ? schema_get(link, "between") : NULL;
    return between != NULL &&
           (strcmp(between->child->string, name) == 0 || strcmp(between->child->next->string, name) == 0);
}

static void check_end(struct json *json, const struct json_node *end, const struct lists *lists)
{
    if (end->type != JSON_STRING || end->faulty) {
        return;
    }
    if (find(lists->partitions, end->string, NULL) == NULL) {
        complain_missing(json, end, "partition", lists->partitions, NULL);
        return;
    }
    unsigned before = 0;
    const struct json_node *link = end->parent->parent;
    for (const struct json_node *at = lists->links->child; at != link; at = at->next) {
        before += joins(at, end->string) ? 1 : 0;
    }
    if (before >= MANIFEST_MAX_ENDS) {
        json_complain(json, end, "partition \"%s\" has %u links already; that is the most; remove some",
                      end->string, MANIFEST_MAX_ENDS);
    }
}

static void check_link(struct json *json, const struct json_node *link, const struct lists *lists)
{
    const struct json_node *between = json_member(link, "between");
    if (between == NULL || between->type != JSON_ARRAY || between->child_count != 2 || between->faulty) {
        return;
    }
    const struct json_node *a = between->child;
    const struct json_node *b = a->next;
    if (a->type == JSON_STRING && b->type == JSON_STRING && strcmp(a->string, b->string) == 0) {
        json_complain(json, between,
                      "both ends are partition \"%.40s\"; a link joins two different ones; name another",
                      a->string);
        return;
    }
    check_end(json, a, lists);
    check_end(json, b, lists);
}

static void check_partitions(struct json *json, const struct lists *lists)
{
    check_names(json, lists->partitions, "partition");
    check_taken(json, lists->partitions);
    for (const struct json_node *at = lists->partitions->child; at != NULL; at = at->next) {
        if (at->type == JSON_OBJECT) {
            check_nics(json, at, lists);
            check_after(json, at, lists);
        }
    }
    manifest_slots_check(json, lists->partitions);
    check_jacks(json, lists);
    check_order(json, lists);
}

void manifest_references_check(struct json *json, const struct json_node *body,
                               const struct json_node *otherwise)
{
    struct lists lists = {
        list_of(body, otherwise, "partitions"),
        list_of(body, otherwise, "links"),
        list_of(body, otherwise, "networks"),
        list_of(body, otherwise, "images"),
    };
    lists.partitions = lists.partitions == &empty ? &unreadable : lists.partitions; /* it is required */
    check_names(json, lists.networks, "network");
    check_names(json, lists.images, "image");
    if (otherwise == NULL || json_member(body, "partitions") != NULL) {
        check_partitions(json, &lists); /* a selection without has the document's, which were checked */
    }
    for (const struct json_node *at = lists.partitions->child; at != NULL; at = at->next) {
        if (at->type == JSON_OBJECT) {
            check_names_used(json, at, &lists);
        }
    }
    for (const struct json_node *at = lists.links->child; at != NULL; at = at->next) {
        if (at->type == JSON_OBJECT) {
            check_link(json, at, &lists);
        }
    }
}
