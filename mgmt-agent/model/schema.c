/* SPDX-License-Identifier: MIT */
#include "model/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/schema_near.h"
#include "model/schema_pattern.h"

#define NO_CONTROL 0x100u

/* A field's value, or an element of a list: then there is no field. */
struct place {
    const struct schema_value *value;
    const struct schema_field *field;
};

static void check(struct json *json, const struct json_node *node, struct place place);

const struct schema_field *schema_field(const struct schema_object *object, const char *name)
{
    for (unsigned i = 0; i < object->field_count; i++) {
        if (strcmp(object->fields[i].name, name) == 0) {
            return &object->fields[i];
        }
    }
    return NULL;
}

bool schema_names_are_known(const struct schema_object *object, const struct json_node *node)
{
    for (const struct json_node *at = node->child; at != NULL; at = at->next) {
        if (at->duplicate_of != NULL || schema_field(object, at->key) == NULL) {
            return false;
        }
    }
    return true;
}

bool schema_is_type(enum schema_kind kind, enum json_type type)
{
    static const enum json_type types[SCHEMA_KIND_COUNT] = {
        [SCHEMA_BOOLEAN] = JSON_BOOLEAN, [SCHEMA_INTEGER] = JSON_NUMBER, [SCHEMA_TEXT] = JSON_STRING,
        [SCHEMA_CHOICE] = JSON_STRING,   [SCHEMA_LIST] = JSON_ARRAY,     [SCHEMA_OBJECT] = JSON_OBJECT,
    };
    return kind != SCHEMA_EITHER && types[kind] == type;
}

const struct schema_value *schema_form(const struct schema_value *value, enum json_type type)
{
    if (value->kind != SCHEMA_EITHER) {
        return schema_is_type(value->kind, type) ? value : NULL;
    }
    for (int64_t i = 0; i < value->most; i++) {
        if (schema_is_type(value->of[i].kind, type)) {
            return &value->of[i];
        }
    }
    return NULL;
}

/* ---- words ------------------------------------------------------------------------------------------------
 */

static void join(char *to, size_t size, const char *separator, const char *word)
{
    size_t used = strlen(to);
    snprintf(to + used, size - used, "%s%s", used > 0 ? separator : "", word);
}

static void wanted_words(const struct schema_value *value, char *text, size_t size)
{
    for (const struct schema_word *at = value->words; at->word != NULL; at++) {
        char quoted[48];
        snprintf(quoted, sizeof(quoted), "\"%s\"", at->word);
        join(text, size, " or ", quoted);
    }
}

static void wanted_forms(const struct schema_value *value, char *text, size_t size)
{
    for (int64_t i = 0; i < value->most; i++) {
        char form[96];
        schema_wanted(&value->of[i], form, sizeof(form));
        join(text, size, ", or ", form);
    }
}

void schema_wanted(const struct schema_value *value, char *text, size_t size)
{
    text[0] = 0;
    switch (value->kind) {
    case SCHEMA_BOOLEAN:
        snprintf(text, size, "true or false");
        break;
    case SCHEMA_INTEGER:
        snprintf(text, size, "a whole number from %" PRId64 " to %" PRId64, value->least, value->most);
        break;
    case SCHEMA_CHOICE:
        wanted_words(value, text, size);
        break;
    case SCHEMA_LIST:
        snprintf(text, size, "a list [...]");
        break;
    case SCHEMA_OBJECT:
        snprintf(text, size, "an object {...}");
        break;
    case SCHEMA_EITHER:
        wanted_forms(value, text, size);
        break;
    default:
        snprintf(text, size, "a string");
    }
}

/* What is wanted, and if the words alone do not say it all, an example. */
static void wanted_here(struct place place, char *text, size_t size)
{
    schema_wanted(place.value, text, size);
    size_t used = strlen(text);
    if (place.value->kind == SCHEMA_CHOICE || place.value->kind == SCHEMA_BOOLEAN) {
        return;
    }
    if (place.field != NULL) {
        snprintf(text + used, size - used, ", for example %s", place.field->example);
    } else if (place.value->format != NULL) {
        snprintf(text + used, size - used, ", for example \"%s\"", place.value->format->example);
    }
}

/* ---- scalars ----------------------------------------------------------------------------------------------
 */

static void check_integer(struct json *json, const struct json_node *node, struct place place)
{
    const struct schema_value *value = place.value;
    const char *unit = place.field != NULL && place.field->unit != NULL ? place.field->unit : "";
    if (!node->is_integer) {
        json_complain(json, node, "this is no whole number; wanted one from %" PRId64 " to %" PRId64 "%s%s",
                      value->least, value->most, unit[0] != 0 ? " " : "", unit);
    } else if (node->integer < value->least || node->integer > value->most) {
        json_complain(json, node, "%" PRId64 " is out of range; wanted %" PRId64 " to %" PRId64 "%s%s%s",
                      node->integer, value->least, value->most, unit[0] != 0 ? " " : "", unit,
                      value->hint != NULL ? value->hint : "");
    }
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

static bool has_control(struct json *json, const struct json_node *node)
{
    for (const char *at = node->string; *at != 0; at++) {
        unsigned code = control_code(at);
        if (code != NO_CONTROL) {
            json_complain(json, node, "this text holds the control character 0x%02x; remove it", code);
            return true;
        }
    }
    return false;
}

static void check_text(struct json *json, const struct json_node *node, const struct schema_value *value)
{
    const struct schema_format *format = value->format;
    int64_t length = (int64_t)strlen(node->string);
    if (has_control(json, node)) {
        return;
    }
    if (length < value->least || length > value->most) {
        json_complain(json, node, "this text has %" PRId64 " bytes; wanted %" PRId64 " to %" PRId64, length,
                      value->least, value->most);
    } else if (format != NULL && !schema_pattern_covers(format->pattern, node->string)) {
        json_complain(json, node, "\"%.40s\" is no %s; wanted %s, for example \"%s\"", node->string,
                      format->noun, format->wanted, format->example);
    } else if (format != NULL && format->check != NULL) {
        format->check(json, node);
    }
}

static void check_choice(struct json *json, const struct json_node *node, const struct schema_value *value)
{
    char wanted[160] = "";
    struct schema_near near = {.word = node->string};
    for (const struct schema_word *at = value->words; at->word != NULL; at++) {
        if (strcmp(at->word, node->string) == 0) {
            return;
        }
        schema_near_try(&near, at->word);
    }
    wanted_words(value, wanted, sizeof(wanted));
    char hint[SCHEMA_NEAR_BYTES];
    json_complain(json, node, "\"%.40s\" is not known here; wanted %s%s", node->string, wanted,
                  value->words[1].word != NULL ? schema_near_hint(&near, hint, "") : "");
}

/* ---- lists and objects ------------------------------------------------------------------------------------
 */

static bool scalar_equals(const struct json_node *a, const struct json_node *b)
{
    if (a->type != b->type || a->faulty || b->faulty) {
        return false;
    }
    return a->type == JSON_NUMBER ? a->integer == b->integer
                                  : a->type == JSON_STRING && strcmp(a->string, b->string) == 0;
}

static void check_twice(struct json *json, const struct json_node *node)
{
    for (const struct json_node *at = node->parent->child; at != node; at = at->next) {
        if (scalar_equals(at, node) && node->type == JSON_NUMBER) {
            json_complain(json, node, "%" PRId64 " stands twice in this list; remove one", node->integer);
            return;
        }
        if (scalar_equals(at, node)) {
            json_complain(json, node, "\"%.40s\" stands twice in this list; remove one", node->string);
            return;
        }
    }
}

static void check_list(struct json *json, const struct json_node *node, const struct schema_value *value)
{
    if (node->child_count < value->least || node->child_count > value->most) {
        char wanted[64];
        snprintf(wanted, sizeof(wanted), value->least == value->most ? "%" PRId64 : "%" PRId64 " to %" PRId64,
                 value->least, value->most);
        json_complain(json, node, "this list has %" PRIu32 " element%s; wanted %s; %s", node->child_count,
                      node->child_count == 1 ? "" : "s", wanted,
                      node->child_count > value->most ? "remove some" : "add what is missing");
        json_list_cut(json, node, (uint32_t)value->most);
    }
    for (const struct json_node *at = node->child; at != NULL; at = at->next) {
        check(json, at, (struct place){value->of, NULL});
        if (value->unique) {
            check_twice(json, at);
        }
    }
}

static void complain_unknown(struct json *json, const struct json_node *node,
                             const struct schema_object *object)
{
    char known[224] = "";
    char hint[SCHEMA_NEAR_BYTES];
    struct schema_near near = {.word = node->key};
    for (unsigned i = 0; i < object->field_count; i++) {
        schema_near_try(&near, object->fields[i].name);
        join(known, sizeof(known), ", ", object->fields[i].name);
    }
    char all[sizeof(known) + 16];
    snprintf(all, sizeof(all), "; known here: %s;", known);
    json_complain_key(json, node, "unknown field%s correct the name or remove it",
                      schema_near_hint(&near, hint, all));
}

static void check_missing(struct json *json, const struct json_node *node, const struct schema_object *object)
{
    for (unsigned i = 0; i < object->field_count; i++) {
        const struct schema_field *field = &object->fields[i];
        if (field->required && json_member(node, field->name) == NULL) {
            char wanted[200];
            wanted_here((struct place){&field->value, field}, wanted, sizeof(wanted));
            json_complain(json, node, "field \"%s\" is missing; wanted %s; add it", field->name, wanted);
        }
    }
}

static void check_object(struct json *json, const struct json_node *node, const struct schema_object *object)
{
    for (const struct json_node *at = node->child; at != NULL; at = at->next) {
        const struct schema_field *field = schema_field(object, at->key);
        if (at->duplicate_of != NULL) {
            json_complain_duplicate(json, at);
        } else if (field == NULL) {
            complain_unknown(json, at, object);
        } else {
            check(json, at, (struct place){&field->value, field});
        }
    }
    check_missing(json, node, object);
    if (!node->faulty && object->check != NULL) {
        object->check(json, node);
    }
}

static void check(struct json *json, const struct json_node *node, struct place place)
{
    const struct schema_value *form = schema_form(place.value, node->type);
    if (form == NULL) {
        char wanted[200];
        wanted_here(place, wanted, sizeof(wanted));
        json_complain(json, node, "this is %s; wanted %s", json_type_name(node->type), wanted);
        return;
    }
    switch (form->kind) {
    case SCHEMA_INTEGER:
        check_integer(json, node, (struct place){form, place.field});
        break;
    case SCHEMA_TEXT:
        check_text(json, node, form);
        break;
    case SCHEMA_CHOICE:
        check_choice(json, node, form);
        break;
    case SCHEMA_LIST:
        check_list(json, node, form);
        break;
    case SCHEMA_OBJECT:
        check_object(json, node, form->object);
        break;
    default: /* a boolean is right by its type */
        break;
    }
}

void schema_check_value(struct json *json, const struct json_node *node, const struct schema_value *value)
{
    check(json, node, (struct place){value, NULL});
}

void schema_check(struct json *json, const struct json_node *node, const struct schema_object *object)
{
    const struct schema_value value = {.kind = SCHEMA_OBJECT, .object = object};
    schema_check_value(json, node, &value);
}

static void visit_value(struct json *json, const struct json_node *node, const struct schema_value *value,
                        schema_visitor *visit)
{
    const struct schema_value *form = schema_form(value, node->type);
    if (form == NULL) {
        return;
    }
    if (form->kind == SCHEMA_OBJECT) {
        schema_visit(json, node, form->object, visit);
    } else if (form->kind == SCHEMA_LIST) {
        for (const struct json_node *at = node->child; at != NULL; at = at->next) {
            visit_value(json, at, form->of, visit);
        }
    }
}

void schema_visit(struct json *json, const struct json_node *node, const struct schema_object *object,
                  schema_visitor *visit)
{
    for (const struct json_node *at = node->child; at != NULL; at = at->next) {
        const struct schema_field *field = schema_field(object, at->key);
        if (field != NULL && visit(json, object, field, at)) {
            visit_value(json, at, &field->value, visit);
        }
    }
}

/* ---- reading ----------------------------------------------------------------------------------------------
 */

const struct json_node *schema_get(const struct json_node *node, const char *name)
{
    const struct json_node *member = json_member(node, name);
    return member != NULL && !member->faulty ? member : NULL;
}

bool schema_flag(const struct schema_object *object, const struct json_node *node, const char *name)
{
    const struct json_node *member = schema_get(node, name);
    return member != NULL ? member->boolean : strcmp(schema_field(object, name)->otherwise, "true") == 0;
}

int64_t schema_number(const struct schema_object *object, const struct json_node *node, const char *name)
{
    const struct json_node *member = schema_get(node, name);
    return member != NULL ? member->integer : strtoll(schema_field(object, name)->otherwise, NULL, 10);
}

unsigned schema_choice(const struct schema_object *object, const struct json_node *node, const char *name)
{
    const struct schema_field *field = schema_field(object, name);
    const struct json_node *member = schema_get(node, name);
    const char *word = member != NULL ? member->string : field->otherwise + 1; /* behind its quote */
    unsigned i = 0;
    for (; field->value.words[i + 1].word != NULL; i++) {
        size_t length = strlen(field->value.words[i].word);
        if (strncmp(field->value.words[i].word, word, length) == 0 &&
            (word[length] == 0 || word[length] == '"')) {
            break;
        }
    }
    return i;
}

void schema_text(const struct json_node *node, const char *name, char *to, size_t size)
{
    const struct json_node *member = schema_get(node, name);
    snprintf(to, size, "%s", member != NULL ? member->string : "");
}
