/* SPDX-License-Identifier: MIT */
/* Two manifests side by side. */
#include <mbedtls/sha256.h>
#include <stdio.h>
#include <string.h>

#include "model/json_write.h"
#include "model/manifest_schema.h"
#include "model/plan_internal.h"

#define VALUE_BYTES 48u

const struct json_node *plan_list(const struct json_node *root, const char *name)
{
    return root != NULL ? json_member(root, name) : NULL;
}

const struct json_node *plan_partition(const struct json_node *root, const char *name)
{
    const struct json_node *list = plan_list(root, "partitions");
    for (const struct json_node *at = list != NULL ? list->child : NULL; at != NULL; at = at->next) {
        if (strcmp(json_member(at, "name")->string, name) == 0) {
            return at;
        }
    }
    return NULL;
}

/* A value as text, cut where it does not fit. */
struct text {
    char *to;
    size_t used, size;
};

static void keep(void *to, const char *part, size_t bytes)
{
    struct text *text = to;
    size_t room = text->size - 1 - text->used;
    size_t taken = bytes < room ? bytes : room;
    memcpy(text->to + text->used, part, taken);
    text->used += taken;
    text->to[text->used] = 0;
}

/* The value of a field, or its default, or nothing. */
static void value_text(const struct schema_field *field, const struct json_node *object, char *to,
                       size_t size)
{
    const struct json_node *value = object != NULL ? json_member(object, field->name) : NULL;
    struct text text = {to, 0, size};
    to[0] = 0;
    if (value != NULL) {
        json_write(value, keep, &text);
    } else if (field->otherwise != NULL) {
        keep(&text, field->otherwise, strlen(field->otherwise));
    }
    if (text.used == size - 1) {
        size_t end = size - 4;
        while (end > 0 && ((unsigned char)to[end] & 0xc0) == 0x80) {
            end--; /* not in the middle of a character */
        }
        memcpy(to + end, "...", 4);
    }
}

static bool is_same_list(const struct schema_value *element, const struct json_node *before,
                         const struct json_node *after);

/* Whether two values mean the same, defaults below them included. */
static bool is_same_value(const struct schema_value *value, const struct json_node *before,
                          const struct json_node *after)
{
    const struct schema_value *form = schema_form(value, before->type);
    if (form == NULL || before->type != after->type) {
        return false;
    }
    if (form->kind == SCHEMA_LIST) {
        return is_same_list(form->of, before, after);
    }
    for (unsigned i = 0; form->kind == SCHEMA_OBJECT && i < form->object->field_count; i++) {
        if (!plan_is_same(&form->object->fields[i], before, after)) {
            return false;
        }
    }
    return form->kind == SCHEMA_OBJECT || json_equals(before, after);
}

static bool is_same_list(const struct schema_value *element, const struct json_node *before,
                         const struct json_node *after)
{
    const struct json_node *other = after->child;
    for (const struct json_node *at = before->child; at != NULL && other != NULL;
         at = at->next, other = other->next) {
        if (!is_same_value(element, at, other)) {
            return false;
        }
    }
    return before->child_count == after->child_count;
}

bool plan_is_same(const struct schema_field *field, const struct json_node *before,
                  const struct json_node *after)
{
    const struct json_node *old = before != NULL ? json_member(before, field->name) : NULL;
    const struct json_node *new = after != NULL ? json_member(after, field->name) : NULL;
    char a[VALUE_BYTES];
    char b[VALUE_BYTES];
    if (old != NULL && new != NULL) {
        return is_same_value(&field->value, old, new);
    }
    value_text(field, before, a, sizeof(a));
    value_text(field, after, b, sizeof(b));
    return strcmp(a, b) == 0;
}

/* Appends one field; `prefix` is what stands around it. */
static void describe_value(const struct schema_field *field, const char *prefix,
                           const struct json_node *before, const struct json_node *after,
                           char reason[PLAN_REASON_BYTES])
{
    char old[VALUE_BYTES];
    char new[VALUE_BYTES];
    size_t used = strlen(reason);
    value_text(field, before, old, sizeof(old));
    value_text(field, after, new, sizeof(new));
    snprintf(reason + used, PLAN_REASON_BYTES - used, "%s%s%s%s: %s -> %s", used > 0 ? "; " : "", prefix,
             prefix[0] != 0 ? "." : "", field->name, old[0] != 0 ? old : "nothing",
             new[0] != 0 ? new : "nothing");
}

static void describe_members(const struct schema_field *field, const struct json_node *before,
                             const struct json_node *after, char reason[PLAN_REASON_BYTES])
{
    const struct schema_object *object = field->value.object;
    for (unsigned i = 0; i < object->field_count; i++) {
        if (!plan_is_same(&object->fields[i], before, after)) {
            describe_value(&object->fields[i], field->name, before, after, reason);
        }
    }
}

void plan_describe(const struct schema_field *field, const struct json_node *before,
                   const struct json_node *after, char reason[PLAN_REASON_BYTES])
{
    const struct json_node *old = before != NULL ? json_member(before, field->name) : NULL;
    const struct json_node *new = after != NULL ? json_member(after, field->name) : NULL;
    if (field->value.kind == SCHEMA_OBJECT && old != NULL && new != NULL) {
        describe_members(field, old, new, reason);
    } else {
        describe_value(field, "", before, after, reason);
    }
}

enum schema_effect plan_effect(const struct json_node *before, const struct json_node *after)
{
    enum schema_effect effect = EFFECT_NONE;
    for (unsigned i = 0; i < schema_partition.field_count; i++) {
        const struct schema_field *field = &schema_partition.fields[i];
        if (field->effect > effect && !plan_is_same(field, before, after)) {
            effect = field->effect;
        }
    }
    return effect;
}

void plan_keep(struct layout *kept, const struct layout *layout, const struct json_node *before,
               const struct json_node *after)
{
    *kept = *layout;
    for (unsigned i = 0; i < kept->count; i++) {
        const struct json_node *old = plan_partition(before, kept->parts[i].name);
        const struct json_node *new = plan_partition(after, kept->parts[i].name);
        if (old == NULL || new == NULL || plan_effect(old, new) >= EFFECT_RESTART_PARTITION) {
            kept->parts[i].name[0] = 0;
        }
    }
}

static void digest(void *to, const char *text, size_t bytes)
{
    mbedtls_sha256_update(to, (const unsigned char *)text, bytes); /* it cannot fail in software */
}

void plan_hash(const struct plan_now *now, const struct json_node *root, uint8_t hash[PLAN_HASH_BYTES])
{
    mbedtls_sha256_context context;
    char head[64];
    int bytes = snprintf(head, sizeof(head), "mullion plan 1\ngeneration %llu\n",
                         (unsigned long long)now->generation);
    mbedtls_sha256_init(&context);
    mbedtls_sha256_starts(&context, 0);
    digest(&context, head, (size_t)bytes);
    if (now->root != NULL) {
        json_write(now->root, digest, &context);
    }
    digest(&context, "\n", 1);
    json_write(root, digest, &context);
    mbedtls_sha256_finish(&context, hash);
    mbedtls_sha256_free(&context);
}
