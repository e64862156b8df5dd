/* SPDX-License-Identifier: MIT */
#include "model/manifest_select.h"

#include <string.h>

#include "model/address.h"
#include "model/manifest_later.h"
#include "model/manifest_schema.h"

enum fit {
    FIT_NO,
    FIT_YES,
    FIT_UNKNOWN,
};

/* Complains about what this version cannot compare. */
static bool can_compare(struct json *json, const struct json_node *match)
{
    bool can = true;
    for (const struct json_node *at = match->child; at != NULL; at = at->next) {
        const char *what = manifest_later(&schema_match, at->key, NULL);
        if (what != NULL) {
            json_complain_key(json, at, "this version does not yet %s; name the box by its \"uuid\"", what);
            can = false;
        }
    }
    return can;
}

static enum fit fit_of(struct json *json, const struct json_node *selection, const struct manifest_self *self)
{
    const struct json_node *match = selection->type == JSON_OBJECT ? schema_get(selection, "match") : NULL;
    uint8_t uuid[SELECT_UUID_BYTES];
    if (match == NULL || !can_compare(json, match)) {
        return FIT_UNKNOWN;
    }
    const struct json_node *text = schema_get(match, "uuid");
    if (text == NULL || text->type != JSON_STRING) {
        return FIT_UNKNOWN;
    }
    return self->has_uuid && address_read_uuid(text->string, uuid) &&
                   memcmp(uuid, self->uuid, sizeof(uuid)) == 0
               ? FIT_YES
               : FIT_NO;
}

/* A document whose members are strung together anew. */
struct stringing {
    struct json *json;
    struct json_node *root;
    const struct json_node **link;
};

static struct json_node *writable(struct json *json, const struct json_node *node)
{
    return &json->nodes[node - json->nodes];
}

static void string_on(struct stringing *s, const struct json_node *member)
{
    *s->link = member;
    s->link = &writable(s->json, member)->next;
    s->root->child_count++;
}

static const struct json_node *own_member(const struct json_node *selection, const char *key)
{
    return selection != NULL && strcmp(key, "match") != 0 ? json_member(selection, key) : NULL;
}

static void string_anew(struct json *json, const struct json_node *root, const struct json_node *selection)
{
    const struct json_node *members = root->child;
    struct stringing s = {json, writable(json, root), &writable(json, root)->child};
    const struct json_node *next;
    s.root->child_count = 0;
    for (const struct json_node *at = members; at != NULL; at = next) {
        next = at->next;
        const struct json_node *own = own_member(selection, at->key);
        if (strcmp(at->key, "machines") != 0 && own == NULL) {
            string_on(&s, at);
        }
    }
    for (const struct json_node *at = selection != NULL ? selection->child : NULL; at != NULL; at = next) {
        next = at->next;
        if (strcmp(at->key, "match") != 0 && at->duplicate_of == NULL) {
            string_on(&s, at);
        }
    }
    *s.link = NULL;
}

bool manifest_select(struct json *json, const struct json_node *root, const struct manifest_self *self)
{
    const struct json_node *machines = json_member(root, "machines");
    const struct json_node *selection = NULL;
    if (machines == NULL) {
        return true;
    }
    if (machines->type != JSON_ARRAY) {
        return false;
    }
    if (machines->child != NULL && !self->has_uuid) {
        json_complain(
            json, machines,
            "this box's UUID is not known, so nobody can say which of them it is: its firmware has none, or "
            "the boot medium no site.json; add what is missing, or remove \"machines\"");
        return false;
    }
    for (const struct json_node *at = machines->child; at != NULL && selection == NULL; at = at->next) {
        enum fit fit = fit_of(json, at, self);
        if (fit == FIT_UNKNOWN) {
            return false;
        }
        selection = fit == FIT_YES ? at : NULL;
    }
    if (selection != NULL && !schema_names_are_known(&schema_selection, selection)) {
        return false;
    }
    string_anew(json, root, selection);
    return true;
}
