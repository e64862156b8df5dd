/* SPDX-License-Identifier: MIT */
#include "lint/print.h"

#include "lint/box.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "model/manifest_later.h"
#include "model/manifest_schema.h"

static const char *const effects[EFFECT_COUNT] = {
    [EFFECT_NONE] = "nothing",
    [EFFECT_LIVE] = "live",
    [EFFECT_RESTART_PARTITION] = "restarts the partition",
    [EFFECT_RESTART_BOX] = "restarts the box",
};

static void put_type(const struct schema_value *value);

static void put_range(const struct schema_value *value)
{
    if (value->least == value->most) {
        printf("%" PRId64, value->least);
    } else if (value->least == 0) {
        printf("at most %" PRId64, value->most);
    } else {
        printf("%" PRId64 " to %" PRId64, value->least, value->most);
    }
}

static void put_words(const struct schema_value *value)
{
    for (const struct schema_word *at = value->words; at->word != NULL; at++) {
        printf("%s`\"%s\"`", at == value->words ? "" : at[1].word != NULL ? ", " : " or ", at->word);
    }
}

static void put_string(const struct schema_value *value)
{
    if (value->format == NULL) {
        printf("string, ");
        put_range(value);
        printf(" bytes");
    } else {
        printf("string: %s; %s", value->format->noun, value->format->wanted);
    }
}

static void put_object(const struct schema_object *object)
{
    printf("[%s](#", object->name);
    for (const char *at = object->name; *at != 0; at++) {
        printf("%c", tolower((unsigned char)*at));
    }
    printf(")");
}

static void put_list(const struct schema_value *value)
{
    printf("list of ");
    put_range(value);
    printf(value->of->kind == SCHEMA_OBJECT ? " " : ": ");
    put_type(value->of);
    printf(value->unique ? ", none twice" : "");
}

static void put_type(const struct schema_value *value)
{
    switch (value->kind) {
    case SCHEMA_BOOLEAN:
        printf("`true` or `false`");
        break;
    case SCHEMA_INTEGER:
        printf("whole number, ");
        put_range(value);
        break;
    case SCHEMA_CHOICE:
        put_words(value);
        break;
    case SCHEMA_LIST:
        put_list(value);
        break;
    case SCHEMA_OBJECT:
        put_object(value->object);
        break;
    case SCHEMA_EITHER:
        for (int64_t i = 0; i < value->most; i++) {
            printf(i > 0 ? "; or " : "");
            put_type(&value->of[i]);
        }
        break;
    default:
        put_string(value);
    }
}

/* What the words of a choice mean, if there is a choice. */
static void put_meanings(const struct schema_value *value)
{
    if (value->kind != SCHEMA_CHOICE || value->words[1].word == NULL) {
        return;
    }
    for (const struct schema_word *at = value->words; at->word != NULL; at++) {
        printf("%s `\"%s\"`: %s", at == value->words ? "." : ";", at->word, at->text);
    }
}

static void put_default(const struct schema_field *field)
{
    if (field->required) {
        printf("required");
    } else if (field->otherwise != NULL) {
        printf("`%s`", field->otherwise);
    } else {
        printf("none");
    }
}

static void put_since(const struct schema_object *object, const struct schema_field *field)
{
    const char *form = manifest_later(object, field->name, "{}");
    printf("%s", field->since != NULL ? field->since : "not yet");
    if (form != NULL) {
        printf("; not yet: %s", form);
    }
}

static void put_field(const struct schema_object *object, const struct schema_field *field)
{
    printf("| `%s` | ", field->name);
    put_type(&field->value);
    printf("%s%s", field->unit != NULL ? ", in " : "", field->unit != NULL ? field->unit : "");
    printf(" | ");
    put_default(field);
    printf(" | %s", field->text);
    put_meanings(&field->value);
    printf(" | `%s` | %s | ", field->example, effects[field->effect]);
    put_since(object, field);
    printf(" |\n");
}

void print_reference(void)
{
    struct print_objects objects = {0};
    print_collect(&objects, &schema_machine);
    print_collect(&objects, &schema_site);
    print_collect(&objects, &schema_box);
    for (unsigned i = 0; i < objects.count; i++) {
        const struct schema_object *object = objects.list[i];
        printf("### %s\n\n%s\n\n", object->name, object->text);
        printf("| field | type | default | meaning | example | a change | since |\n");
        printf("|---|---|---|---|---|---|---|\n");
        for (unsigned k = 0; k < object->field_count; k++) {
            put_field(object, &object->fields[k]);
        }
        printf("\n");
    }
}
