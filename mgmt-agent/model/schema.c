/* SPDX-License-Identifier: MIT */
#include "model/schema.h"

#include <stdio.h>
#include <string.h>

#define NO_CONTROL 0x100u

static const struct schema_field *field_find(const struct schema_field *fields, size_t count,
                                             const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            return &fields[i];
        }
    }
    return NULL;
}

static void join(char *to, size_t size, const char *separator, const char *word)
{
    size_t used = strlen(to);
    snprintf(to + used, size - used, "%s%s", used > 0 ? separator : "", word);
}

static void complain_unknown(const struct json *json, const struct json_node *value,
                             const struct schema_field *fields, size_t count)
{
    char known[160] = "";
    for (size_t i = 0; i < count; i++) {
        join(known, sizeof(known), ", ", fields[i].name);
    }
    json_complain_key(json, value, "unknown field; known here: %s; correct the name or remove it", known);
}

static unsigned errors_of(const struct json *json)
{
    return json->problems->count + json->problems->dropped;
}

bool schema_read(const struct json *json, const struct json_node *node, const struct schema_field *fields,
                 size_t field_count, void *into)
{
    unsigned before = errors_of(json);
    if (!schema_type(json, node, JSON_OBJECT, "an object {...}")) {
        return false;
    }
    for (const struct json_node *value = node->child; value != NULL; value = value->next) {
        const struct schema_field *field = field_find(fields, field_count, value->key);
        if (value->duplicate_of != NULL) {
            json_complain_duplicate(json, value);
        } else if (field == NULL) {
            complain_unknown(json, value, fields, field_count);
        } else {
            field->read(json, value, into);
        }
    }
    for (size_t i = 0; i < field_count; i++) {
        if (fields[i].required && json_member(node, fields[i].name) == NULL) {
            json_complain(json, node, "field \"%s\" is missing; wanted %s; add it", fields[i].name,
                          fields[i].wanted);
        }
    }
    return errors_of(json) == before;
}

bool schema_type(const struct json *json, const struct json_node *value, enum json_type type,
                 const char *wanted)
{
    if (value->type != type) {
        json_complain(json, value, "this is %s; wanted %s", json_type_name(value->type), wanted);
    }
    return value->type == type;
}

/* The control character that begins here (Unicode C0, DEL, C1), or NO_CONTROL; C1 steers terminals too. */
static unsigned control_code(const char *text)
{
    unsigned char first = (unsigned char)text[0];
    unsigned char second = first == 0xc2 ? (unsigned char)text[1] : 0;
    if (second >= 0x80 && second < 0xa0) {
        return second;
    }
    return first < ' ' || first == 0x7f ? first : NO_CONTROL;
}

bool schema_string(const struct json *json, const struct json_node *value, char *to, size_t size,
                   const char *wanted)
{
    if (!schema_type(json, value, JSON_STRING, wanted)) {
        return false;
    }
    size_t length = strlen(value->string);
    for (size_t i = 0; i < length; i++) {
        unsigned code = control_code(value->string + i);
        if (code != NO_CONTROL) {
            json_complain(json, value, "this text holds the control character 0x%02x; remove it", code);
            return false;
        }
    }
    if (length == 0 || length >= size) {
        json_complain(json, value, "this text has %zu bytes; wanted 1 to %zu", length, size - 1);
        return false;
    }
    memcpy(to, value->string, length + 1);
    return true;
}

int schema_choice(const struct json *json, const struct json_node *value, const char *const *words)
{
    char wanted[120] = "";
    for (int i = 0; words[i] != NULL; i++) {
        char quoted[40];
        snprintf(quoted, sizeof(quoted), "\"%s\"", words[i]);
        join(wanted, sizeof(wanted), " or ", quoted);
    }
    if (!schema_type(json, value, JSON_STRING, wanted)) {
        return -1;
    }
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], value->string) == 0) {
            return i;
        }
    }
    json_complain(json, value, "\"%.40s\" is not known here; wanted %s", value->string, wanted);
    return -1;
}
