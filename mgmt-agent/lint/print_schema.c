/* SPDX-License-Identifier: MIT */
#include "lint/print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "model/manifest_later.h"
#include "model/manifest_schema.h"

static void collect_value(struct print_objects *objects, const struct schema_value *value)
{
    if (value->kind == SCHEMA_OBJECT) {
        print_collect(objects, value->object);
    } else if (value->kind == SCHEMA_LIST) {
        collect_value(objects, value->of);
    }
    for (int64_t i = 0; value->kind == SCHEMA_EITHER && i < value->most; i++) {
        collect_value(objects, &value->of[i]);
    }
}

void print_collect(struct print_objects *objects, const struct schema_object *object)
{
    for (unsigned i = 0; i < objects->count; i++) {
        if (objects->list[i] == object) {
            return;
        }
    }
    objects->list[objects->count++] = object;
    for (unsigned i = 0; i < object->field_count; i++) {
        collect_value(objects, &object->fields[i].value);
    }
}

static void indent(unsigned depth)
{
    printf("\n%*s", (int)(2 * depth), "");
}

static void put_text(const char *text)
{
    for (; *text != 0; text++) {
        printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    }
}

/* A member with a text. */
static void put_member(unsigned depth, const char *key, const char *text, const char *more)
{
    indent(depth);
    printf("\"%s\": \"", key);
    put_text(text);
    put_text(more);
    printf("\"");
}

static void put_words(const struct schema_value *value, unsigned depth)
{
    printf("\"enum\": [");
    for (const struct schema_word *at = value->words; at->word != NULL; at++) {
        printf("%s\"%s\"", at == value->words ? "" : ", ", at->word);
    }
    printf("]");
    (void)depth;
}

static void put_string(const struct schema_value *value, unsigned depth)
{
    printf("\"type\": \"string\", \"minLength\": %" PRId64 ", \"maxLength\": %" PRId64 ",", value->least,
           value->most);
    indent(depth);
    printf("\"pattern\": \"");
    if (value->format != NULL) {
        printf("^(");
        put_text(value->format->pattern);
        printf(")$");
    } else {
        printf("^[^\\\\u0000-\\\\u001f\\\\u007f-\\\\u009f]*$");
    }
    printf("\"");
}

static void put_value(const struct schema_value *value, unsigned depth);

static void put_list(const struct schema_value *value, unsigned depth)
{
    printf("\"type\": \"array\", \"minItems\": %" PRId64 ", \"maxItems\": %" PRId64 ",%s", value->least,
           value->most, value->unique ? " \"uniqueItems\": true," : "");
    indent(depth);
    printf("\"items\": {");
    put_value(value->of, depth + 1);
    printf("}");
}

static void put_forms(const struct schema_value *value, unsigned depth)
{
    printf("\"oneOf\": [");
    for (int64_t i = 0; i < value->most; i++) {
        indent(depth + 1);
        printf("{");
        put_value(&value->of[i], depth + 2);
        printf("}%s", i + 1 < value->most ? "," : "");
    }
    printf("]");
}

static void put_value(const struct schema_value *value, unsigned depth)
{
    switch (value->kind) {
    case SCHEMA_BOOLEAN:
        printf("\"type\": \"boolean\"");
        break;
    case SCHEMA_INTEGER:
        printf("\"type\": \"integer\", \"minimum\": %" PRId64 ", \"maximum\": %" PRId64, value->least,
               value->most);
        break;
    case SCHEMA_CHOICE:
        put_words(value, depth);
        break;
    case SCHEMA_LIST:
        put_list(value, depth);
        break;
    case SCHEMA_OBJECT:
        printf("\"$ref\": \"#/$defs/%s\"", value->object->name);
        break;
    case SCHEMA_EITHER:
        put_forms(value, depth);
        break;
    default:
        put_string(value, depth);
    }
}

static void put_field(const struct schema_object *object, const struct schema_field *field)
{
    char more[160] = "";
    const char *later = manifest_later(object, field->name, NULL);
    snprintf(more, sizeof(more), "%s%s%s%s%s", field->unit != NULL ? "; in " : "",
             field->unit != NULL ? field->unit : "", later != NULL ? ". This version does not yet " : "",
             later != NULL ? later : "", later != NULL ? ": leave it out" : "");
    indent(4);
    printf("\"%s\": {", field->name);
    put_member(5, "description", field->text, more);
    printf(",");
    if (field->otherwise != NULL) {
        indent(5);
        printf("\"default\": %s,", field->otherwise);
    }
    indent(5);
    printf("\"examples\": [%s],", field->example);
    indent(5);
    put_value(&field->value, 5);
    printf("}");
}

static void put_required(const struct schema_object *object)
{
    const char *comma = "";
    indent(3);
    printf("\"required\": [");
    for (unsigned i = 0; i < object->field_count; i++) {
        if (object->fields[i].required) {
            printf("%s\"%s\"", comma, object->fields[i].name);
            comma = ", ";
        }
    }
    printf("],");
}

static void put_object(const struct schema_object *object)
{
    indent(2);
    printf("\"%s\": {", object->name);
    put_member(3, "description", object->text, "");
    printf(",");
    indent(3);
    printf("\"type\": \"object\", \"additionalProperties\": false,");
    put_required(object);
    indent(3);
    printf("\"properties\": {");
    for (unsigned i = 0; i < object->field_count; i++) {
        put_field(object, &object->fields[i]);
        printf(i + 1 < object->field_count ? "," : "}}");
    }
}

void print_schema(void)
{
    struct print_objects objects = {0};
    print_collect(&objects, &schema_machine);
    print_collect(&objects, &schema_site);
    printf("{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",");
    put_member(1, "$id", "urn:" MANIFEST_VERSION, "");
    printf(",");
    put_member(1, "title", "Manifest or site configuration of Mullion", "");
    printf(",\n  \"$comment\": \"Generated: make manifest-docs\",\n  \"type\": \"object\","
           "\n  \"if\": {\"properties\": {\"kind\": {\"const\": \"Site\"}}, \"required\": [\"kind\"]},"
           "\n  \"then\": {\"$ref\": \"#/$defs/Site\"},\n  \"else\": {\"$ref\": \"#/$defs/Machine\"},"
           "\n  \"$defs\": {");
    for (unsigned i = 0; i < objects.count; i++) {
        put_object(objects.list[i]);
        printf(i + 1 < objects.count ? "," : "}\n}\n");
    }
}
